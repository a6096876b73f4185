import { describe, expect, it } from "@jest/globals";
import { assembleSeccompFilter } from "./seccomp-filter.js";
import { ABSENT_SYSCALLS, DENIED_SYSCALLS, findSyscallTable, type SyscallTable } from "./seccomp-syscalls.js";

const ALLOW = 0x7fff0000;
const KILL = 0x80000000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const EAFNOSUPPORT = 0x00050061;

/** What the kernel would do with a call: runs the program as it does. */
function judge(program: Buffer, call: { number: number; args?: number[]; architecture: number }): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.architecture, 4);
  for (const [index, value] of (call.args ?? []).entries())
    data.writeBigUInt64LE(BigInt(value), 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at += 1) {
    const code = program.readUInt16LE(8 * at);
    const value = program.readUInt32LE(8 * at + 4);
    const jump = (isTrue: boolean): void => void (at += program.readUInt8(8 * at + (isTrue ? 2 : 3)));
    if (code === 0x06) return value;
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >= value);
    else if (code === 0x45) jump((accumulator & value) !== 0);
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error("the program has no end");
}

describe.each(["x64", "arm64"])("seccomp filter for %s", (name) => {
  const table = findSyscallTable(name) as SyscallTable;
  const { numbers, auditArchitecture: architecture } = table;
  const program = assembleSeccompFilter(table);
  const judgeCall = (syscall: string, args?: number[]): number =>
    judge(program, { number: numbers[syscall] as number, architecture, ...(args && { args }) });

  it("refuses what is denied, hides what is absent, and lets the rest through", () => {
    for (const syscall of DENIED_SYSCALLS) if (syscall in numbers) expect(judgeCall(syscall)).toBe(EPERM);
    for (const syscall of ABSENT_SYSCALLS) expect(judgeCall(syscall)).toBe(ENOSYS);
    const known = new Set(Object.values(numbers));
    for (let number = 0; number < 480; number += 1)
      if (!known.has(number)) expect(judge(program, { number, architecture })).toBe(ALLOW);
  });

  it("names no number twice", () => {
    expect(new Set(Object.values(numbers)).size).toBe(Object.keys(numbers).length);
  });

  it("lets processes and threads be made, but no namespaces", () => {
    expect(judgeCall("clone", [0x01200011])).toBe(ALLOW); // as fork() does
    expect(judgeCall("clone", [0x003d0f00])).toBe(ALLOW); // as pthread_create() does
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) expect(judgeCall("clone", [2 ** bit])).toBe(EPERM);
  });

  it("lets sockets of this machine's and the internet's kind be opened, no others", () => {
    for (const family of [1, 2, 10, 16]) expect(judgeCall("socket", [family, 1])).toBe(ALLOW);
    for (const family of [17, 38, 40, 44]) expect(judgeCall("socket", [family, 1])).toBe(EAFNOSUPPORT);
  });

  it("lets nobody type into a terminal", () => {
    expect(judgeCall("ioctl", [0, 0x5401])).toBe(ALLOW);
    expect(judgeCall("ioctl", [0, 0x5412])).toBe(EPERM);
    expect(judgeCall("ioctl", [0, 0x541c])).toBe(EPERM);
  });

  it("kills whoever calls by another convention", () => {
    expect(judge(program, { number: 0, architecture: 0x40000003 })).toBe(KILL);
    if (table.foreignFrom !== undefined)
      expect(judge(program, { number: table.foreignFrom + 1, architecture })).toBe(KILL);
  });
});
