import { performance } from "node:perf_hooks";

/** What throughput was measured from. */
export interface Throughput {
  readonly runsPerSecond: number;
  /** Those that were counted. */
  readonly runs: number;
  /** Those and all others: what CPU time is divided by. */
  readonly allRuns: number;
}

/** What may make a window longer than it is asked to be, but no longer than this. */
const LONGEST_WINDOW_MS = 60_000;

/**
 * Keeps a number of runs in flight, and counts those that end within a window. The window opens after the warm-up
 * and one generation of runs (those that started together may end together), and closes at the first end after its
 * time that makes two more generations. Runs that are still under way are waited for, and not counted.
 * @throws whatever a run throws; `signal`'s reason when it is aborted.
 */
export async function measureThroughput(
  run: () => Promise<void>,
  options: { inFlight: number; warmUpMs: number; windowMs: number; signal: AbortSignal },
): Promise<Throughput> {
  const { inFlight, signal } = options;
  const startedAt = performance.now();
  let ended = 0;
  let openedAt: number | undefined;
  let closedAt: number | undefined;
  let runs = 0;
  let hasFailed = false;

  function countEnd(): void {
    const now = performance.now();
    ended += 1;
    if (openedAt === undefined) {
      if (ended >= inFlight && now - startedAt >= options.warmUpMs) openedAt = now;
      return;
    }
    if (closedAt !== undefined) return;
    runs += 1;
    const openMs = now - openedAt;
    const isEnough = openMs >= options.windowMs && runs >= 2 * inFlight;
    if (isEnough || openMs >= LONGEST_WINDOW_MS) closedAt = now;
  }

  async function lane(): Promise<void> {
    while (!hasFailed && closedAt === undefined) {
      signal.throwIfAborted();
      await run();
      countEnd();
    }
  }
  const lanes = Array.from({ length: inFlight }, () =>
    lane().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(lanes)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  const windowMs = (closedAt ?? Number.NaN) - (openedAt ?? Number.NaN);
  return { runsPerSecond: runs / (windowMs / 1000), runs, allRuns: ended };
}

/** Milliseconds that each of some runs takes, one at a time. The first few are not counted. */
export async function measureLatency(
  run: () => Promise<void>,
  options: { samples: number; signal: AbortSignal },
): Promise<number[]> {
  const warmUps = Math.min(10, Math.ceil(options.samples / 10));
  const latenciesMs: number[] = [];
  for (let count = -warmUps; count < options.samples; count += 1) {
    options.signal.throwIfAborted();
    const startedAt = performance.now();
    await run();
    if (count >= 0) latenciesMs.push(performance.now() - startedAt);
  }
  return latenciesMs;
}
