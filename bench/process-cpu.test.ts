import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "@jest/globals";
import { readCpuMs, readTreeCpuMs } from "./process-cpu.js";

const SPIN = "const end = Date.now() + 300; while (Date.now() < end);";

test("a process's CPU is counted, and its children's, also after they have ended", async () => {
  // a shell that waits for a child that spins, and then for us
  const shell = spawn("/bin/sh", ["-c", `"${process.execPath}" -e "${SPIN}"; echo done; read -r line`], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const pid = shell.pid as number;
  try {
    await once(shell.stdout, "data");
    expect(readTreeCpuMs(pid) - readCpuMs(pid)).toBeGreaterThan(50);
  } finally {
    shell.stdin.end("\n");
    await once(shell, "close");
  }
});

test("a process that is gone has used nothing", () => {
  expect(readCpuMs(2 ** 30)).toBe(0);
  expect(readTreeCpuMs(2 ** 30)).toBe(0);
});
