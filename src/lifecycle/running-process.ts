import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { runTool } from "./run-tool.js";

/** Whether a process with this id exists (a zombie does not count). */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to somebody else
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return readStat(pid)?.state !== "Z";
}

/** When a process started, in a form that only serves comparison; undefined where the system does not tell. */
export function processStartMark(pid: number): string | undefined {
  return readStat(pid)?.startTicks;
}

/** The command line of a process, or undefined when it is gone or not ours to read. */
export async function processCommandLine(pid: number): Promise<string | undefined> {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    // no /proc on macOS
    const listed = await runTool("ps", ["-p", String(pid), "-o", "command="], { timeoutMs: 5000 });
    return listed.code === 0 ? listed.stdout.trim() : undefined;
  }
}

/** Waits until a process is gone; false when it is still there after `timeoutMs`. */
export async function waitForExit(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isProcessAlive(pid)) {
    if (Date.now() >= deadline) return false;
    await sleep(50);
  }
  return true;
}

function readStat(pid: number): { state: string; startTicks: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // gone, or a system without /proc
  }
  // the name in brackets may itself hold spaces and brackets
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", startTicks: fields[19] ?? "" };
}
