import { performance } from "node:perf_hooks";

/** What throughput was measured from. */
export interface Throughput {
  readonly runsPerSecond: number;
  readonly runs: number;
}

/**
 * Keeps a number of runs in flight, and counts those that end within a window after the warm-up. Runs that are
 * under way when the window closes are waited for, and not counted.
 * @throws whatever a run throws; `signal`'s reason when it is aborted.
 */
export async function measureThroughput(
  run: () => Promise<void>,
  options: { inFlight: number; warmUpMs: number; windowMs: number; signal: AbortSignal },
): Promise<Throughput> {
  const startsAt = performance.now() + options.warmUpMs;
  const endsAt = startsAt + options.windowMs;
  let runs = 0;
  let hasFailed = false;
  async function lane(): Promise<void> {
    while (!hasFailed && performance.now() < endsAt) {
      options.signal.throwIfAborted();
      await run();
      const now = performance.now();
      if (now >= startsAt && now < endsAt) runs += 1;
    }
  }
  const lanes = Array.from({ length: options.inFlight }, () =>
    lane().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(lanes)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return { runsPerSecond: runs / (options.windowMs / 1000), runs };
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
