import { readFileSync } from "node:fs";
import { listChildren } from "./process-cpu.js";

/** Memory of a process and of the helpers that it keeps. */
export interface ProcessMemory {
  /** Resident set of the process itself, bytes. */
  readonly ownBytes: number;
  /** Its descendants, each with its share of what they share: warm interpreters, evaluators. */
  readonly helperBytes: number;
}

/** Reads it from `/proc`; zeros where there is none. */
export function readMemory(pid: number): ProcessMemory {
  const helpers = descendantsOf(pid);
  return {
    ownBytes: readKilobytes(`/proc/${pid}/status`, "VmRSS") * 1024,
    helperBytes: helpers.reduce((sum, one) => sum + readShare(one), 0) * 1024,
  };
}

function descendantsOf(pid: number): number[] {
  return listChildren(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function readShare(pid: number): number {
  return readKilobytes(`/proc/${pid}/smaps_rollup`, "Pss");
}

function readKilobytes(path: string, field: string): number {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(path, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // gone meanwhile, or not ours to read
  }
}
