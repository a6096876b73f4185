import { expect, test } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { measureLatency, measureThroughput } from "./measure.js";

const { signal } = new AbortController();

test("throughput counts the runs that end within the window, with so many in flight", async () => {
  let inFlight = 0;
  let most = 0;
  const run = async () => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await sleep(20);
    inFlight -= 1;
  };
  const { runs, runsPerSecond } = await measureThroughput(run, {
    inFlight: 4,
    warmUpMs: 50,
    windowMs: 400,
    signal,
  });
  expect(most).toBe(4);
  expect(inFlight).toBe(0);
  // 4 lanes of 20 ms each: 200 per second at the most, fewer on a busy machine
  expect(runsPerSecond).toBeGreaterThan(50);
  expect(runsPerSecond).toBeLessThan(210);
  expect(runs).toBeGreaterThanOrEqual(20);
});

test("runs that end together in generations are measured over whole generations", async () => {
  const generations: (() => void)[][] = [];
  const timer = setInterval(() => generations.shift()?.forEach((end) => end()), 50);
  let waiting: (() => void)[] = [];
  const run = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (waiting.length === 8) {
        generations.push(waiting);
        waiting = [];
      }
      // once the window is closed, no generation fills up again
      setTimeout(resolve, 500);
    });
  const { runs, runsPerSecond } = await measureThroughput(run, {
    inFlight: 8,
    warmUpMs: 0,
    windowMs: 10,
    signal,
  });
  clearInterval(timer);
  expect(runs).toBe(16);
  expect(runsPerSecond).toBeGreaterThan(60);
  expect(runsPerSecond).toBeLessThan(170);
});

test("a run that fails ends the measurement with its error, and no lane goes on", async () => {
  let started = 0;
  const run = async () => {
    started += 1;
    await sleep(5);
    if (started >= 3) throw new Error("lost");
  };
  const options = { inFlight: 2, warmUpMs: 0, windowMs: 5000, signal };
  await expect(measureThroughput(run, options)).rejects.toThrow("lost");
  expect(started).toBeLessThan(6);
});

test("latency runs one at a time and leaves the warm-up out", async () => {
  let inFlight = 0;
  let runs = 0;
  const latenciesMs = await measureLatency(
    async () => {
      expect(inFlight).toBe(0);
      inFlight += 1;
      runs += 1;
      await sleep(runs <= 2 ? 50 : 2);
      inFlight -= 1;
    },
    { samples: 20, signal },
  );
  expect(runs).toBe(22);
  expect(latenciesMs).toHaveLength(20);
  expect(Math.min(...latenciesMs)).toBeGreaterThanOrEqual(1);
});

test("both stop when they are told to", async () => {
  const stop = new AbortController();
  const run = async () => {
    await sleep(5);
    stop.abort(new Error("stopped"));
  };
  await expect(measureLatency(run, { samples: 100, signal: stop.signal })).rejects.toThrow("stopped");
});
