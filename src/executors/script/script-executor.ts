import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { isForbiddenEnvName } from "../config-fields.js";
import {
  type ExecutionContext,
  ExecutionError,
  type Executor,
  type McpType,
  type SandboxCommand,
  type SandboxProcess,
} from "../types.js";
import { watchScript, type ScriptWatch } from "./script-watch.js";
import { toScriptOutput } from "./script-outcome.js";
import type { ScriptConfig } from "./definition.js";

/** How one language starts: its files written to the work folder, and the command that runs them. */
export interface ScriptLanguage<Config extends ScriptConfig = ScriptConfig> {
  readonly type: Config["type"] & McpType;
  /**
   * Writes what the interpreter needs into `context.workdir`.
   * @throws ExecutionError when the code cannot be compiled or its requirements cannot be had.
   */
  prepare(config: Config, context: ExecutionContext): Promise<ScriptStart>;
  close?(): Promise<void>;
}

/** The command of a prepared script. */
export interface ScriptStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly readOnlyPaths: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly limitAddressSpace: boolean;
}

/** Larger inputs go by file: a single environment variable may have 128 KiB on Linux. */
const MAX_ENV_INPUT_BYTES = 64 * 1024;
/** What SIGTERM leaves a script to clean up before it is killed. */
const KILL_GRACE_MS = 1_000;
/** A script that has given its result may take this long to end; threads left running must not hold the step. */
const LINGER_MS = 5_000;

/** An executor of scripts in one language: a fresh process in the sandbox for each execution. */
export function createScriptExecutor<Config extends ScriptConfig>(deps: {
  readonly language: ScriptLanguage<Config>;
}): Executor<Config> {
  const { language } = deps;
  return {
    type: language.type,
    async execute(config, input, context) {
      throwIfAborted(context.signal);
      const [start, inputEnv] = await Promise.all([
        language.prepare(config, context),
        writeInputs(input, context.workdir),
      ]);
      throwIfAborted(context.signal);
      const child = await context.sandbox.start(
        toCommand(config, start, context, {
          ...config.env,
          ...toSecretEnv(context),
          ...start.env,
          ...inputEnv,
        }),
      );
      return run(child, context);
    },
    ...(language.close && { close: () => language.close?.() ?? Promise.resolve() }),
  };
}

async function run(child: SandboxProcess, context: ExecutionContext): Promise<JsonValue> {
  const { signal } = context;
  let lingerTimer: NodeJS.Timeout | undefined;
  const watch: ScriptWatch = watchScript(child, context, {
    onResult: () => {
      lingerTimer = setTimeout(() => void child.kill(0), LINGER_MS);
    },
    onOverflow: () => void child.kill(0),
  });
  const onAbort = (): void => void child.kill(KILL_GRACE_MS);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  child.endInput();
  try {
    const exit = await child.exited;
    watch.finish();
    throwIfAborted(signal);
    return toScriptOutput(exit, watch, context.limits.maxOutputBytes);
  } finally {
    clearTimeout(lingerTimer);
    signal.removeEventListener("abort", onAbort);
  }
}

function toCommand(
  config: ScriptConfig,
  start: ScriptStart,
  context: ExecutionContext,
  env: Readonly<Record<string, string>>,
): SandboxCommand {
  return {
    command: start.command,
    args: start.args,
    env,
    cwd: context.workdir,
    memoryMb: config.memoryMb,
    timeoutSeconds: context.timeoutSeconds,
    readOnlyPaths: start.readOnlyPaths,
    network: config.network,
    limitAddressSpace: start.limitAddressSpace,
  };
}

async function writeInputs(input: JsonObject, workdir: string): Promise<Record<string, string>> {
  const text = JSON.stringify(input);
  if (Buffer.byteLength(text) <= MAX_ENV_INPUT_BYTES && !text.includes("\0")) return { MCP_INPUTS: text };
  const path = join(workdir, "inputs.json");
  await writeFile(path, text);
  return { MCP_INPUTS_FILE: path };
}

/**
 * The secrets of a component's version as environment variables.
 * @throws ExecutionError `invalid_input` when a name is reserved.
 */
export function toSecretEnv(context: ExecutionContext): Readonly<Record<string, string>> {
  for (const name of Object.keys(context.secrets)) {
    if (isForbiddenEnvName(name)) {
      throw new ExecutionError(
        "invalid_input",
        `The secret ${name} cannot be an environment variable: the name is reserved`,
      );
    }
  }
  return context.secrets;
}

/** @throws the reason of an aborted signal as an {@link ExecutionError}. */
function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const reason: unknown = signal.reason;
  throw reason instanceof ExecutionError
    ? reason
    : new ExecutionError("canceled", "The execution was canceled", { cause: reason });
}
