import { join } from "node:path";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { isForbiddenEnvName } from "../config-fields.js";
import {
  type ExecutionContext,
  ExecutionError,
  type Executor,
  type McpType,
  type SandboxProcess,
} from "../types.js";
import type { ScriptConfig } from "./definition.js";
import { toScriptOutput } from "./script-outcome.js";
import { watchScript, type ScriptWatch } from "./script-watch.js";
import { dismiss, giveJob, type ScriptJob, type ScriptStart, startWaiting } from "./waiting-process.js";
import { canStandIn, type WaitingProcess, type WarmPool } from "./warm-pool.js";

/** How one language starts, and what it makes of a script. */
export interface ScriptLanguage<Config extends ScriptConfig = ScriptConfig> {
  readonly type: Config["type"] & McpType;
  /**
   * What a process for this configuration is started with, apart from limits.
   * @throws ExecutionError when its requirements cannot be had.
   */
  prepare(config: Config, context: ExecutionContext): Promise<Omit<ScriptStart, keyof ScriptLimits>>;
  /** The files of the script. @throws ExecutionError when its code cannot be compiled. */
  compile(config: Config): Promise<Readonly<Record<string, string>>>;
  close?(): Promise<void>;
}

/** The part of a start that comes from the configuration in every language. */
type ScriptLimits = Pick<ScriptStart, "memoryMb" | "timeoutSeconds" | "network">;

/** How an execution got its process: one that waited for it, a fork made for it, or a start from nothing. */
export type StartKind = "pooled" | "forked" | "cold";

/** What executors of scripts need. */
export interface ScriptExecutorDeps<Config extends ScriptConfig> {
  readonly language: ScriptLanguage<Config>;
  /** Keeps processes ready; without it each execution starts its own. */
  readonly pool?: WarmPool | undefined;
  readonly onStart?: ((type: McpType, kind: StartKind) => void) | undefined;
}

/** Larger inputs go by file: a single environment variable may have 128 KiB on Linux. */
const MAX_ENV_INPUT_BYTES = 64 * 1024;
/** What SIGTERM leaves a script to clean up before it is killed. */
const KILL_GRACE_MS = 1_000;
/** A script that has given its result may take this long to end; threads left running must not hold the step. */
const LINGER_MS = 5_000;

/** Read by a runtime as it starts, or by the libraries below it: setting them later would come too late. */
const EARLY_ENV = /^(?:NODE_|UV_|OPENSSL_|SSL_|MALLOC_|LC_|LANG)/;

/** An executor of scripts in one language: a fresh process in the sandbox for each execution. */
export function createScriptExecutor<Config extends ScriptConfig>(
  deps: ScriptExecutorDeps<Config>,
): Executor<Config> {
  const { language, pool, onStart } = deps;

  /** A process that waits for its job, and the job. */
  async function makeReady(
    config: Config,
    input: JsonObject,
    context: ExecutionContext,
    waiting: WaitingProcess | undefined,
  ): Promise<{ child: SandboxProcess; job: ScriptJob }> {
    throwIfAborted(context.signal);
    const [prepared, files] = await Promise.all([
      language.prepare(config, context),
      language.compile(config),
    ]);
    const { early, late } = sortEnv({ ...config.env, ...toSecretEnv(context) });
    const start = toStart(config, context, prepared);
    const job = toJob({ env: late, files, input, context });
    throwIfAborted(context.signal);
    const hasEarly = Object.keys(early).length > 0;
    const isPooled = waiting !== undefined && !hasEarly && canStandIn(waiting.start, start);
    if (waiting && !isPooled) await dismiss(waiting.child);
    const child = isPooled
      ? waiting.child
      : await startWaiting(context.sandbox, context.workdir, hasEarly ? withEarlyEnv(start, early) : start);
    onStart?.(language.type, isPooled ? "pooled" : child.isWarm ? "forked" : "cold");
    if (!hasEarly) pool?.learn(toKind(config), start);
    return { child, job };
  }

  return {
    type: language.type,
    async execute(config, input, context) {
      const waiting = pool?.claim(context.workdir);
      const { child, job } = await makeReady(config, input, context, waiting).catch(
        async (error: unknown) => {
          await waiting?.child.kill(0);
          throw error;
        },
      );
      return await run(child, job, context);
    },
    ...(pool && { takeWorkdir: (config: Config) => pool.take(toKind(config)) }),
    async close() {
      await pool?.close();
      await language.close?.();
    },
  };
}

async function run(child: SandboxProcess, job: ScriptJob, context: ExecutionContext): Promise<JsonValue> {
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
  giveJob(child, job);
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

/** Configurations of one kind can be run by the same waiting process. */
function toKind({ type, requirements = [], memoryMb, network }: ScriptConfig): string {
  return JSON.stringify([type, [...requirements].sort(), memoryMb, network]);
}

function toStart(
  config: ScriptConfig,
  { timeoutSeconds }: ExecutionContext,
  prepared: Omit<ScriptStart, keyof ScriptLimits>,
): ScriptStart {
  const { memoryMb, network } = config;
  return { ...prepared, memoryMb, network, timeoutSeconds };
}

/** A fork would have the environment too late, so none is wanted. */
function withEarlyEnv(
  { warm: _, ...start }: ScriptStart,
  early: Readonly<Record<string, string>>,
): ScriptStart {
  return { ...start, env: { ...early, ...start.env } };
}

function sortEnv(env: Readonly<Record<string, string>>): Record<"early" | "late", Record<string, string>> {
  const entries = Object.entries(env);
  return {
    early: Object.fromEntries(entries.filter(([name]) => EARLY_ENV.test(name))),
    late: Object.fromEntries(entries.filter(([name]) => !EARLY_ENV.test(name))),
  };
}

function toJob(parts: {
  env: Readonly<Record<string, string>>;
  files: Readonly<Record<string, string>>;
  input: JsonObject;
  context: ExecutionContext;
}): ScriptJob {
  const { env, files, input, context } = parts;
  const { maxOutputBytes } = context.limits;
  const text = JSON.stringify(input);
  if (Buffer.byteLength(text) <= MAX_ENV_INPUT_BYTES && !text.includes("\0")) {
    return { env: { ...env, MCP_INPUTS: text }, files, maxOutputBytes };
  }
  const path = join(context.workdir, "inputs.json");
  return { env: { ...env, MCP_INPUTS_FILE: path }, files: { ...files, [path]: text }, maxOutputBytes };
}

/**
 * Secrets as environment variables of user code.
 * @throws ExecutionError for a name by which a program could be subverted.
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
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  const reason: unknown = signal.reason;
  throw reason instanceof ExecutionError
    ? reason
    : new ExecutionError("canceled", "The execution was canceled", { cause: reason });
}
