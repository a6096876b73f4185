import { basename, isAbsolute } from "node:path";

/** The commands that servers may be started with by default. */
export const DEFAULT_MCP_COMMANDS: readonly string[] = ["npx", "node", "python3", "uvx"];

/** Whether the allow-list has a command, given by name or by a path that ends in the name. */
export function isAllowedCommand(command: string, allowed: readonly string[]): boolean {
  if (allowed.includes(command)) return true;
  return isAbsolute(command) && allowed.includes(basename(command));
}
