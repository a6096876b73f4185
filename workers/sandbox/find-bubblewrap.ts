import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { BubblewrapFeatures } from "./bubblewrap-args.js";
import { findTool } from "./launch-plan.js";

const HELP_MS = 5000;

/** bubblewrap as this machine has it. */
export interface Bubblewrap {
  readonly command: string;
  readonly features: BubblewrapFeatures;
}

/** Finds it; undefined where it is not installed. @throws Error when it cannot even print its help. */
export async function findBubblewrap(): Promise<Bubblewrap | undefined> {
  const command = findTool("bwrap");
  if (!command) return undefined;
  const { stdout: help } = await promisify(execFile)(command, ["--help"], { env: {}, timeout: HELP_MS });
  return { command, features: { canDisableUserNamespaces: help.includes("--disable-userns") } };
}
