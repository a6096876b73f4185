import { z } from "zod";
import { createDeferred } from "./deferred.js";
import { StartupError } from "./startup-error.js";

/** A part of Headrace that runs until it is told to stop. */
export interface LongRunning {
  /** Where it can be reached, for those that listen. */
  readonly address?: string | undefined;
  close(): Promise<void>;
}

/** What a supervised process tells its supervisor. */
export const childMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), address: z.string().optional() }),
  z.object({ type: z.literal("failed"), message: z.string() }),
]);
export type ChildMessage = z.infer<typeof childMessageSchema>;

/** How long a process whose supervisor died may take to end: nobody would wait for it. */
const ORPHAN_LIMIT_MS = 5000;

/**
 * Runs one part of Headrace as the whole of this process: starts it, reports that it is ready, and ends it
 * cleanly on SIGTERM or Ctrl-C (a second one ends it at once). A supervised process also ends when its supervisor
 * is gone, however that died.
 * @returns the exit code; the caller exits with it.
 */
export async function runProcess(options: {
  start: () => Promise<LongRunning>;
  /** Most milliseconds that closing may take before the process ends all the same. */
  closeLimitMs: number;
  isSupervised: boolean;
  onReady?: (running: LongRunning) => void;
  /** Told of what could not be handled; the process ends after it. */
  onFatal: (error: unknown) => void;
}): Promise<number> {
  const stop = listenForStop(options.isSupervised, options.onFatal);
  let running: LongRunning;
  try {
    running = await options.start();
  } catch (error) {
    if (options.isSupervised && error instanceof StartupError) {
      await tell({ type: "failed", message: error.message });
    }
    stop.dispose();
    throw error;
  }
  if (options.isSupervised) await tell({ type: "ready", address: running.address });
  options.onReady?.(running);
  const reason = await stop.requested;
  const limitMs =
    reason === "orphaned" ? Math.min(ORPHAN_LIMIT_MS, options.closeLimitMs) : options.closeLimitMs;
  const isClosed = await closeWithin(running, limitMs, stop.secondRequest, options.onFatal);
  stop.dispose();
  return reason === "fatal" || !isClosed ? 1 : 0;
}

type StopReason = "signal" | "orphaned" | "fatal";

interface StopListener {
  readonly requested: Promise<StopReason>;
  readonly secondRequest: Promise<void>;
  dispose(): void;
}

function listenForStop(isSupervised: boolean, onFatal: (error: unknown) => void): StopListener {
  let count = 0;
  const first = createDeferred<StopReason>();
  const second = createDeferred<void>();
  const request = (reason: StopReason): void => {
    count += 1;
    if (count === 1) first.resolve(reason);
    else second.resolve();
  };
  const onSignal = (): void => request("signal");
  const onOrphaned = (): void => request("orphaned");
  const onBroken = (error: unknown): void => {
    onFatal(error);
    request("fatal");
  };
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignore);
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  process.on("uncaughtException", onBroken).on("unhandledRejection", onBroken);
  if (isSupervised) process.on("disconnect", onOrphaned);
  return {
    requested: first.promise,
    secondRequest: second.promise,
    dispose() {
      process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
      process.off("uncaughtException", onBroken).off("unhandledRejection", onBroken);
      process.off("disconnect", onOrphaned);
    },
  };
}

/**
 * Whoever read what this process writes is gone. It is no fault of its work; unheard it would be an uncaught exception, the
 * report of which fails in the same way, and so on for ever. Stays after the end: what is still written fails as well.
 */
function ignore(): void {}

async function closeWithin(
  running: LongRunning,
  limitMs: number,
  hurry: Promise<void>,
  onFatal: (error: unknown) => void,
): Promise<boolean> {
  const closed = running.close().then(
    () => true,
    (error: unknown) => {
      onFatal(error);
      return false;
    },
  );
  const late = createDeferred<boolean>();
  const timer = setTimeout(() => late.resolve(false), limitMs);
  try {
    return await Promise.race([closed, late.promise, hurry.then(() => false)]);
  } finally {
    clearTimeout(timer);
  }
}

async function tell(message: ChildMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    // a supervisor that is gone is noticed by its "disconnect"
    if (!process.connected || !process.send) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}
