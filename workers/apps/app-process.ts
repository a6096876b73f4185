import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { createLineSplitter, type LineCut } from "../../src/executors/script/line-splitter.js";
import {
  type AppServing,
  ExecutionError,
  type LogStream,
  type Sandbox,
  type SandboxExit,
  type SandboxProcess,
} from "../../src/executors/types.js";
import { connectAppSocket } from "./app-socket.js";

/** What an app's process is run with, and who hears of it. */
export interface AppProcessOptions {
  readonly sandbox: Sandbox;
  readonly folder: string;
  readonly serving: Extract<AppServing, { kind: "process" }>;
  readonly limits?: Partial<AppProcessLimits>;
  onLine(stream: LogStream, line: string, cut?: LineCut): void;
  /** It answers: at first, and again after each restart. */
  onUp(restarts: number): void;
  /** It has crashed and will be started again. */
  onDown(restarts: number): void;
  /** It has crashed too often. */
  onGivenUp(reason: string): void;
}

/** Times of an app's process; tests shorten them. */
export interface AppProcessLimits {
  readonly startMs: number;
  readonly probeEveryMs: number;
  /** Doubled with each crash, up to the next one. */
  readonly backoffMs: number;
  readonly longestBackoffMs: number;
  /** Crashes in a row after which it is given up. */
  readonly mostRestarts: number;
  /** After so long a life, a crash counts as the first. */
  readonly goodLifeMs: number;
}

const DEFAULT_LIMITS: AppProcessLimits = {
  startMs: 60_000,
  probeEveryMs: 10_000,
  backoffMs: 1_000,
  longestBackoffMs: 30_000,
  mostRestarts: 5,
  goodLifeMs: 600_000,
};
const PROBE_LIMIT_MS = 5_000;
const START_PROBE_EVERY_MS = 150;
/** An app that fails so many probes in a row hangs. */
const MOST_FAILED_PROBES = 3;
const KILL_GRACE_MS = 1_000;

/** An app's process, started again after crashes until it is stopped. */
export interface AppProcess {
  readonly isUp: boolean;
  /** Starts it; resolves once it answers. @throws ExecutionError when it does not come up; nothing is left running then */
  start(): Promise<void>;
  /** Ends it, for good. Resolves when nothing is left. */
  stop(): Promise<void>;
}

/** See {@link AppProcess}. */
export function createAppProcess(options: AppProcessOptions): AppProcess {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const stopping = new AbortController();
  let child: SandboxProcess | undefined;
  let isUp = false;
  let restarts = 0;
  let crashesInRow = 0;
  let keeping: Promise<void> = Promise.resolve();

  async function launch(): Promise<SandboxProcess> {
    const { sandbox, serving, folder } = options;
    const started = await sandbox.start({ ...serving.command, cwd: folder });
    child = started;
    readLines(started, options);
    if (stopping.signal.aborted) await started.kill(0);
    return started;
  }

  async function waitUntilUp(started: SandboxProcess): Promise<void> {
    await waitForAnswer(options, started, limits.startMs);
    isUp = true;
    options.onUp(restarts);
  }

  /** Follows one life after the other. */
  async function keep(first: SandboxProcess): Promise<void> {
    let current = first;
    for (;;) {
      const bornAt = performance.now();
      const reason = isUp ? await watchLife(options, current, limits.probeEveryMs) : "did not come up";
      isUp = false;
      if (stopping.signal.aborted) return;
      if (performance.now() - bornAt > limits.goodLifeMs) crashesInRow = 0;
      crashesInRow += 1;
      options.onLine("system", `The app ${reason}`);
      if (crashesInRow > limits.mostRestarts)
        return options.onGivenUp(`The app ${reason}, ${crashesInRow} times in a row`);
      restarts += 1;
      options.onDown(restarts);
      const pauseMs = Math.min(limits.backoffMs * 2 ** (crashesInRow - 1), limits.longestBackoffMs);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      current = await launch();
      // its next turn says that it did not
      await waitUntilUp(current).catch(() => undefined);
    }
  }

  return {
    get isUp() {
      return isUp;
    },
    async start() {
      const first = await launch();
      await waitUntilUp(first);
      keeping = keep(first).catch((error: unknown) => options.onGivenUp(String(error)));
    },
    async stop() {
      stopping.abort();
      await child?.kill(KILL_GRACE_MS);
      await keeping;
    },
  };
}

function readLines(started: SandboxProcess, { onLine }: AppProcessOptions): void {
  for (const [stream, listen] of [
    ["stdout", started.onStdout],
    ["stderr", started.onStderr],
  ] as const) {
    const lines = createLineSplitter((line, cut) => onLine(stream, line, cut));
    listen((chunk) => lines.push(chunk));
    void started.exited.then(() => lines.flush());
  }
  started.endInput();
}

/** @throws ExecutionError when it ends, or does not answer in time. */
async function waitForAnswer(
  options: AppProcessOptions,
  started: SandboxProcess,
  limitMs: number,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  const ended: { exit?: SandboxExit } = {};
  void started.exited.then((exit) => (ended.exit = exit));
  while (!(await probe(options))) {
    if (ended.exit) throw new ExecutionError("script_error", `The app ${describeExit(ended.exit)}`);
    if (performance.now() > deadline) {
      await started.kill(0);
      throw new ExecutionError("script_error", `The app did not answer within ${limitMs / 1000} s`);
    }
    await sleep(START_PROBE_EVERY_MS);
  }
}

/** Resolves with how it ended; one that hangs is ended. */
async function watchLife(
  options: AppProcessOptions,
  started: SandboxProcess,
  probeEveryMs: number,
): Promise<string> {
  let failed = 0;
  const watching = new AbortController();
  void started.exited.then(() => watching.abort());
  while (!watching.signal.aborted) {
    await sleep(probeEveryMs, undefined, { signal: watching.signal }).catch(() => undefined);
    if (watching.signal.aborted) break;
    failed = (await probe(options)) ? 0 : failed + 1;
    if (failed < MOST_FAILED_PROBES) continue;
    await started.kill(KILL_GRACE_MS);
    return "did not answer any more";
  }
  return describeExit(await started.exited);
}

async function probe({ folder, serving }: Pick<AppProcessOptions, "folder" | "serving">): Promise<boolean> {
  try {
    const socket = await connectAppSocket(folder, serving.socketName);
    return await new Promise((resolve) => {
      const asking = request(
        { path: serving.healthPath, createConnection: () => socket, timeout: PROBE_LIMIT_MS },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode === 200);
          socket.destroy();
        },
      );
      asking.once("timeout", () => asking.destroy());
      asking.once("error", () => resolve(false));
      asking.end();
    });
  } catch {
    return false;
  }
}

function describeExit({ exitCode, signal, outOfMemory }: SandboxExit): string {
  if (outOfMemory) return "used more memory than its memoryMb allows";
  return signal ? `was ended by the signal ${signal}` : `ended with exit code ${exitCode}`;
}
