import { mkdir, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { resolvePython } from "../../src/executors/script/python-interpreter.js";
import type { OutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { createEgress } from "./egress.js";
import { findBubblewrap } from "./find-bubblewrap.js";
import { createIsolationPolicy } from "./isolation-policy.js";
import { findLaunchTools, findTool } from "./launch-plan.js";
import { createNamespaceLauncher } from "./namespace-launcher.js";
import { startNamespaceListeners } from "./namespace-listeners.js";
import { loadSandboxFile } from "./sandbox-files.js";

/** What the namespace level needs to know of this machine and installation. */
export interface NamespaceOptions {
  readonly python?: string | undefined;
  readonly guard: OutgoingGuard;
  /** Paths that no step may see even where they lie among the system's. */
  readonly hidden: readonly string[];
  /** A folder of the worker's in which files for steps can be put: every user can pass through it. */
  readonly systemFolder: string;
}

/** Walls that are ready to be tried. */
export interface NamespaceWalls {
  readonly launcher: ReturnType<typeof createNamespaceLauncher>;
  readonly hasEgress: boolean;
  readonly reasons: readonly string[];
}

/** @returns the walls, or in words what the machine lacks for them. */
export async function openNamespace(options: NamespaceOptions): Promise<NamespaceWalls | string> {
  const bubblewrap = await findBubblewrap();
  if (!bubblewrap) return "bubblewrap is not installed (apt-get install bubblewrap)";
  const prlimit = findTool("prlimit");
  if (!prlimit) return "prlimit is missing (apt-get install util-linux)";
  const python = await resolvePython(options.python).catch(() => undefined);
  const policy = createIsolationPolicy({
    hidden: options.hidden,
    namesFolder: await writeNames(options.systemFolder),
  });
  const network = python && {
    listeners: startNamespaceListeners({ python, script: await loadSandboxFile("namespace-listener.py") }),
    egress: createEgress({ guard: options.guard }),
  };
  return {
    launcher: createNamespaceLauncher({
      bubblewrap: bubblewrap.command,
      prlimit,
      tools: await findLaunchTools(),
      policy,
      features: bubblewrap.features,
      countsPerNamespace: isKernelAtLeast(5, 14),
      network: network || undefined,
    }),
    hasEgress: network !== undefined,
    reasons: [
      ...(network ? [] : ["Steps have no network at all: opening one takes python3, which was not found"]),
      ...(policy.seccomp ? [] : [`No filter of system calls for the processor architecture ${process.arch}`]),
    ],
  };
}

/** What programs look their own loopback up in; all other names are the proxy's business. */
async function writeNames(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await Promise.all([
    writeFile(join(folder, "hosts"), "127.0.0.1 localhost step\n::1 localhost\n", { mode: 0o644 }),
    writeFile(join(folder, "nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n", { mode: 0o644 }),
  ]);
  return folder;
}

function isKernelAtLeast(major: number, minor: number): boolean {
  const [first = 0, second = 0] = release().split(".").map(Number);
  return first > major || (first === major && second >= minor);
}
