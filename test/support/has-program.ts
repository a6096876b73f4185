import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Requirement } from "./requirements.js";

/** A program on the PATH, whose package has its name. */
export function hasProgram(name: string): Requirement {
  const folders = (process.env["PATH"] ?? "").split(":");
  const isMet = folders.some((folder) => existsSync(join(folder, name)));
  return { name, isMet, supply: `apt-get install ${name}` };
}
