import { ABSENT_SYSCALLS, DENIED_SYSCALLS, type SyscallTable } from "./seccomp-syscalls.js";

/** One instruction of a classic BPF program, with the names of the places it may jump to. */
interface Instruction {
  readonly code: number;
  readonly value: number;
  readonly whenTrue?: Label;
  readonly whenFalse?: Label;
}

/** The program's ends: what becomes of a call. */
type Label = "kill" | "refuse" | "absent" | "noFamily" | "allow";

const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

/** Offsets in `struct seccomp_data`; of an argument, the low half suffices for what is compared here. */
const AT_NUMBER = 0;
const AT_ARCHITECTURE = 4;
const atArgument = (index: number): number => 16 + 8 * index;

const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
const ENDS: Readonly<Record<Label, number>> = {
  kill: 0x80000000,
  refuse: ERRNO | EPERM,
  absent: ERRNO | ENOSYS,
  noFamily: ERRNO | EAFNOSUPPORT,
  allow: 0x7fff0000,
};

/** `CLONE_NEWNS`, `-CGROUP`, `-UTS`, `-IPC`, `-USER`, `-PID`, `-NET`. */
const NEW_NAMESPACES = 0x7e020000;
/** Unix, IPv4, IPv6, netlink; not `AF_VSOCK`, which reaches a virtual machine's host past any network namespace. */
const SOCKET_FAMILIES = [1, 2, 10, 16];
/** `TIOCSTI` and `TIOCLINUX` type into the terminal that a process was started from. */
const TERMINAL_TRICKS = [0x5412, 0x541c];

/**
 * A seccomp program as `struct sock_filter[]`: what is denied fails with EPERM, what is unknown to it is allowed, and
 * calls by another convention than the machine's own kill the caller.
 */
export function assembleSeccompFilter(table: SyscallTable): Buffer {
  const { numbers, auditArchitecture, foreignFrom } = table;
  const numbersOf = (names: readonly string[]): number[] =>
    names.map((name) => numbers[name]).filter((number) => number !== undefined);
  const perArgument = (name: string, argument: number, checks: readonly Instruction[]): Instruction[] => {
    const number = numbers[name];
    if (number === undefined) return [];
    // skipped as a whole by every other call: the offset is filled in below
    return [
      { code: JUMP_EQUAL, value: number },
      { code: LOAD_WORD, value: atArgument(argument) },
      ...checks,
      { code: RETURN, value: ENDS.allow },
    ];
  };
  const heads: Instruction[] = [
    { code: LOAD_WORD, value: AT_ARCHITECTURE },
    { code: JUMP_EQUAL, value: auditArchitecture, whenFalse: "kill" },
    { code: LOAD_WORD, value: AT_NUMBER },
    ...(foreignFrom === undefined
      ? []
      : [{ code: JUMP_AT_LEAST, value: foreignFrom, whenTrue: "kill" } as const]),
    ...numbersOf(ABSENT_SYSCALLS).map((value) => ({ code: JUMP_EQUAL, value, whenTrue: "absent" }) as const),
    ...numbersOf(DENIED_SYSCALLS).map((value) => ({ code: JUMP_EQUAL, value, whenTrue: "refuse" }) as const),
  ];
  const blocks = [
    perArgument("clone", 0, [{ code: JUMP_ANY_BIT, value: NEW_NAMESPACES, whenTrue: "refuse" }]),
    perArgument("socket", 0, [
      ...SOCKET_FAMILIES.map((value) => ({ code: JUMP_EQUAL, value, whenTrue: "allow" }) as const),
      { code: JUMP_AT_LEAST, value: 0, whenTrue: "noFamily" },
    ]),
    perArgument(
      "ioctl",
      1,
      TERMINAL_TRICKS.map((value) => ({ code: JUMP_EQUAL, value, whenTrue: "refuse" }) as const),
    ),
  ];
  return encode(heads, blocks);
}

/** Lays the program out: heads, one block per examined call, then the ends, and turns labels into offsets. */
function encode(heads: readonly Instruction[], blocks: readonly (readonly Instruction[])[]): Buffer {
  const body = [...heads, ...blocks.flat()];
  const labels = Object.keys(ENDS) as Label[];
  // "allow" is where a call arrives that nothing has stopped
  const order = ["allow", ...labels.filter((label) => label !== "allow")] as Label[];
  const placeOf = (label: Label): number => body.length + order.indexOf(label);
  const blockEnds = new Map(blocks.flatMap((block) => (block[0] ? [[block[0], block.length] as const] : [])));
  const program = Buffer.alloc(8 * (body.length + order.length));
  const write = (
    at: number,
    code: number,
    value: number,
    jumps: readonly [number, number] = [0, 0],
  ): void => {
    if (jumps.some((jump) => jump < 0 || jump > 255)) throw new Error("A seccomp jump is too long");
    program.writeUInt16LE(code, 8 * at);
    program.writeUInt8(jumps[0], 8 * at + 2);
    program.writeUInt8(jumps[1], 8 * at + 3);
    program.writeUInt32LE(value >>> 0, 8 * at + 4);
  };
  for (const [at, instruction] of body.entries()) {
    const { code, value, whenTrue, whenFalse } = instruction;
    const offsetOf = (label: Label | undefined): number => (label ? placeOf(label) - at - 1 : 0);
    const skipped = blockEnds.get(instruction);
    const jumps = [offsetOf(whenTrue), skipped === undefined ? offsetOf(whenFalse) : skipped - 1] as const;
    write(at, code, value, jumps);
  }
  for (const [index, label] of order.entries()) write(body.length + index, RETURN, ENDS[label]);
  return program;
}
