import { closeSync, readdirSync, readFileSync } from "node:fs";

const CLOSES_ON_EXEC = 0o2_000_000;

/**
 * Closes what this process was handed by the one that started it, beyond the standard streams, and would hand on to every
 * process that it starts: a shell's or supervisor's open file is nothing for a user's script. Node.js marks the first
 * sixteen as its own, and those after them up to the first gap (libuv's `uv_disable_stdio_inheritance`); these are the rest.
 * To be called before anything else is opened: a library's own descriptor without the mark would be closed too.
 */
export function closeInheritedDescriptors(): void {
  for (const descriptor of listDescriptors()) if (isHandedOn(descriptor)) close(descriptor);
}

function listDescriptors(): number[] {
  try {
    return readdirSync("/proc/self/fd").map(Number);
  } catch {
    return []; // a system without /proc
  }
}

function isHandedOn(descriptor: number): boolean {
  if (descriptor <= 2) return false;
  try {
    const [, flags = ""] =
      /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8")) ?? [];
    return (Number.parseInt(flags, 8) & CLOSES_ON_EXEC) === 0;
  } catch {
    return false; // closed since it was listed
  }
}

function close(descriptor: number): void {
  try {
    closeSync(descriptor);
  } catch {
    // closed meanwhile, or not a descriptor that may be closed
  }
}
