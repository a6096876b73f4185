// Runs jest as a child: its report goes to stderr, and a Ctrl-C reaches it.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "./ensure-ready.mjs";

/** @returns jest's exit code; null when a signal ended it. */
export async function runJest(args, environment) {
  const jest = join(root, "node_modules", "jest", "bin", "jest.js");
  const nodeOptions = `${process.env.NODE_OPTIONS ?? ""} --experimental-vm-modules --no-warnings`.trim();
  const child = spawn(process.execPath, [jest, ...args], {
    cwd: root,
    env: { ...process.env, ...environment, NODE_OPTIONS: nodeOptions },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const forward = (signal) => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  return await new Promise((resolve) => child.once("close", resolve));
}
