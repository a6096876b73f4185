import { existsSync } from "node:fs";
import { basename, isAbsolute, resolve, sep } from "node:path";
import type { ResolvedPackage } from "../../core/tool-contract.js";
import { resolvePython } from "../script/python-interpreter.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import { isAllowedCommand } from "./allowed-commands.js";
import type { McpPackageConfig } from "./definition.js";
import { installServer, type PackageEnvironmentDeps } from "./package-environment.js";
import { type PackageRequest, parseNpxArgs, parseUvxArgs } from "./package-request.js";

/** A server's process, ready to be started. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly readOnlyPaths: readonly string[];
  /** Set when it comes from a package. */
  readonly package?: ResolvedPackage;
}

/** What finding the command needs. */
export interface ServerCommandDeps extends PackageEnvironmentDeps {
  /** The setting `MCP_COMMANDS`. */
  readonly commands: readonly string[];
  /** The setting `MCP_PATHS`: folders that servers may be started from; the sandbox shows them what they are named. */
  readonly paths: readonly string[];
}

type StdioTransport = Extract<McpPackageConfig["transport"], { kind: "stdio" }>;

/**
 * The process that a configuration's command stands for: `npx` and `uvx` name packages, which are installed first;
 * `node` and `python3` are the interpreters that scripts run with.
 * @throws ExecutionError `invalid_input` for a command that is not allowed or cannot be understood, `upstream_error`
 * for a package that cannot be had.
 */
export async function toServerCommand(
  deps: ServerCommandDeps,
  transport: Pick<StdioTransport, "command" | "args">,
  pinned: ResolvedPackage | undefined,
  context: ExecutionContext,
): Promise<ServerCommand> {
  const { command, args = [] } = transport;
  if (!isAllowedCommand(command, deps.commands)) {
    throw new ExecutionError(
      "invalid_input",
      `The command ${command.slice(0, 200)} is not among MCP_COMMANDS`,
    );
  }
  assertShown(command, deps.paths);
  const request = toPackageRequest(command, args);
  if (request) {
    const { folder, ...server } = await installServer(deps, request, pinned, context);
    return { ...server, readOnlyPaths: [folder, ...namedFolders(deps.paths, args)] };
  }
  const readOnlyPaths = namedFolders(deps.paths, [command, ...args]);
  return { command: await findProgram(command, deps.python), args, readOnlyPaths };
}

/** Where the system's programs are, which every step sees. */
const SYSTEM_FOLDERS = ["/usr", "/bin", "/sbin"];

/** The sandbox shows a command its own installation: a path must not open one that nobody has opened. */
function assertShown(command: string, paths: readonly string[]): void {
  if (!isAbsolute(command)) return;
  const path = resolve(command);
  const open = [...SYSTEM_FOLDERS, ...paths.map((folder) => resolve(folder))];
  if (path === command && open.some((folder) => path.startsWith(folder + sep))) return;
  const message = `The command ${command.slice(0, 200)} lies neither among the system's programs nor in MCP_PATHS`;
  throw new ExecutionError("invalid_input", message);
}

function toPackageRequest(command: string, args: readonly string[]): PackageRequest | undefined {
  try {
    if (basename(command) === "npx") return parseNpxArgs(args);
    return basename(command) === "uvx" ? parseUvxArgs(args) : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ExecutionError("invalid_input", `The arguments of ${command}: ${error.message}`);
  }
}

async function findProgram(command: string, python: string | undefined): Promise<string> {
  if (command === "node") return process.execPath;
  if (command === "python3" || command === "python") {
    return await resolvePython(python).catch((error: unknown) => {
      throw new ExecutionError("internal", (error as Error).message, { cause: error });
    });
  }
  return command;
}

/** Of the folders that an admin has opened, those that a word of the command lies in. */
function namedFolders(paths: readonly string[], words: readonly string[]): string[] {
  return paths.filter((path) => {
    const folder = resolve(path);
    return (
      existsSync(folder) && words.some((word) => word === folder || resolve(word).startsWith(folder + sep))
    );
  });
}
