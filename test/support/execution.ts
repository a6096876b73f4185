import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import {
  type AppStarter,
  type ArtifactRef,
  type ComponentDoor,
  type ExecutionError,
  type Executor,
  type LogStream,
  type SecretHosts,
} from "../../src/executors/types.js";
import { CLOSED_DOOR } from "../../workers/execution/component-door.js";
import { createSecretMask } from "../../workers/execution/secret-mask.js";
import type { WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";

/** As a runner does, no more of a log is kept: what memory a flood costs must not depend on the machine's speed. */
const MOST_LOGGED = 64 * 1024 * 1024;

/** A log line with the moment it came. */
export interface SeenLine {
  readonly stream: LogStream;
  readonly message: string;
  readonly atMs: number;
}

/** An artifact that an execution kept, with its bytes. */
export interface SeenArtifact extends ArtifactRef {
  readonly bytes: Buffer;
}

/** An execution under test. */
export interface TestRun {
  readonly logs: SeenLine[];
  readonly progress: JsonObject[];
  readonly tokens: string[];
  readonly artifacts: SeenArtifact[];
  readonly finished: Promise<JsonValue>;
  abort(reason: ExecutionError): void;
  /** The numbers of the line "pids …" once it is printed. */
  waitForPids(): Promise<number[]>;
}

/** How an execution differs from the usual. */
export interface RunOptions {
  readonly secrets?: Record<string, string>;
  readonly maxOutputBytes?: number;
  readonly attempt?: number;
  readonly config?: JsonObject;
  /** Seconds that the executor is told it has; the run itself is not ended. Default: 60. */
  readonly timeoutSeconds?: number;
  readonly mcpVersionId?: string;
  readonly secretHosts?: SecretHosts;
  readonly abortedWith?: ExecutionError;
  readonly components?: ComponentDoor;
  readonly apps?: AppStarter;
  /** Looks into the work folder before it is deleted. */
  inspect?(workdir: string): Promise<void>;
}

interface Opened {
  readonly executor: Executor;
  readonly worker: WorkerSandbox;
}

/** Starts one execution in a work folder of its own, which is deleted at its end. */
export async function startRun(
  { executor, worker }: Opened,
  config: unknown,
  input: JsonObject,
  options: RunOptions = {},
): Promise<TestRun> {
  // as the runner does
  const of = { runId: "01900000-0000-7000-8000-000000000000", stepId: "step", attempt: options.attempt ?? 1 };
  const workdir = executor.takeWorkdir?.(config, { ...of, input }) ?? (await worker.workdirs.make());
  const controller = new AbortController();
  const logs: SeenLine[] = [];
  let loggedCharacters = 0;
  const progress: JsonObject[] = [];
  const tokens: string[] = [];
  const artifacts: SeenArtifact[] = [];
  if (options.abortedWith) controller.abort(options.abortedWith);
  const work = async (): Promise<JsonValue> => {
    try {
      const output = await executor.execute(config, input, {
        ...of,
        signal: controller.signal,
        emit: {
          log(stream, message) {
            loggedCharacters += message.length;
            if (loggedCharacters <= MOST_LOGGED) logs.push({ stream, message, atMs: performance.now() });
          },
          progress: (data) => progress.push(data),
          token: (text) => tokens.push(text),
        },
        sandbox: worker.sandbox,
        workdir,
        timeoutSeconds: options.timeoutSeconds ?? 60,
        secrets: options.secrets ?? {},
        mask: createSecretMask(Object.values(options.secrets ?? {})),
        ...(options.mcpVersionId !== undefined && { mcpVersionId: options.mcpVersionId }),
        ...(options.secretHosts && { secretHosts: options.secretHosts }),
        components: options.components ?? CLOSED_DOOR,
        ...(options.apps && { apps: options.apps }),
        artifacts: { save: async (content, bytes) => keepArtifact(artifacts, content, bytes) },
        limits: { maxOutputBytes: options.maxOutputBytes ?? 64 * 1024 * 1024 },
      });
      await options.inspect?.(workdir);
      return output;
    } finally {
      if (!executor.keepsWorkdir?.(workdir)) worker.workdirs.removeSoon(workdir);
    }
  };
  const finished = work();
  finished.catch(() => undefined); // whoever awaits it sees the error
  return {
    logs,
    progress,
    tokens,
    artifacts,
    finished,
    abort: (reason) => controller.abort(reason),
    async waitForPids() {
      const endsAt = performance.now() + 15_000;
      for (;;) {
        const line = logs.find(({ message }) => message.startsWith("pids "));
        if (line) return toOuterPids((line.message.match(/\d+/g) ?? []).map(Number), workdir);
        if (performance.now() > endsAt) throw new Error(`No pids; logs: ${JSON.stringify(logs)}`);
        await sleep(10);
      }
    },
  };
}

function keepArtifact(
  kept: SeenArtifact[],
  content: { readonly name: string; readonly contentType?: string },
  bytes: Uint8Array,
): ArtifactRef {
  const ref = {
    id: `artifact-${kept.length + 1}`,
    name: content.name,
    contentType: content.contentType ?? "application/octet-stream",
    sizeBytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
  kept.push({ ...ref, bytes: Buffer.from(bytes) });
  return ref;
}

/** Runs once to the end. */
export async function runOnce(
  opened: Opened,
  config: unknown,
  input: JsonObject,
  options: RunOptions = {},
): Promise<{ output: JsonValue; logs: SeenLine[]; progress: JsonObject[] }> {
  const run = await startRun(opened, config, input, options);
  const output = await run.finished;
  return { output, logs: run.logs, progress: run.progress };
}

/**
 * What this machine calls the processes that call themselves by these pids: in a pid namespace they have others. The
 * processes work in or below `folder`.
 */
export function toOuterPids(pids: readonly number[], folder: string): number[] {
  const found = new Map(listProcessesIn(folder).map((outer) => [toInnerPid(outer), outer]));
  return pids.map((pid) => {
    const outer = found.get(pid);
    if (outer === undefined) throw new Error(`No process ${pid} in ${folder}`);
    return outer;
  });
}

/** Living processes that work in a folder or below it. */
export function listProcessesIn(folder: string): number[] {
  const isThere = (pid: number): boolean => {
    try {
      return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
    } catch {
      return false; // gone meanwhile
    }
  };
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && isThere(pid) && isRunning(pid));
}

function toInnerPid(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^NSpid:.*?(\d+)$/m.exec(status)?.[1]);
}

/** Whether a process lives; a dead one that nobody has reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
