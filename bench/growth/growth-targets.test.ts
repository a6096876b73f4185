import { expect, test } from "@jest/globals";
import { judgeGrowth } from "./growth-targets.js";
import { presentGrowth } from "./present-growth.js";

const memory = { bytesPerFlowStep: 1700, bytesPerPlainStep: 1000, bytesPerChainRun: 3000 };
const latency = { p50: 9, p95: 20, p99: 30, count: 100 };

test("only what was measured is judged, by its own limit", () => {
  expect(judgeGrowth({})).toEqual([]);
  expect(judgeGrowth({ memory })).toMatchObject([{ id: "T16", value: 1.7, verdict: "ok", isFailure: false }]);
  expect(judgeGrowth({ memory: { ...memory, bytesPerFlowStep: 2500 } })).toMatchObject([
    { id: "T16", verdict: "below", isFailure: true },
  ]);
  const enqueue = {
    latencyMs: latency,
    runsPerSecond: 1,
    rawAddsPerSecond: 1,
    vsRawAdd: 1,
    apiCpuMsPerRun: 1,
  };
  expect(judgeGrowth({ enqueue })).toMatchObject([
    { id: "T13", value: 9, verdict: "below", isFailure: false },
  ]);
});

test("every topic that was measured has its table", () => {
  expect(presentGrowth({})).toEqual([]);
  const lines = presentGrowth({
    memory,
    disk: {
      W1: {
        runs: 10,
        bytesPer1000Runs: 2 ** 21,
        bytesPer1000RunsByTable: { run_events: 2 ** 20 },
        walBytesPerRun: 2048,
      },
    },
    shapes: { branches: { 10: { ms: 20, msPerStep: 2 } }, items: {}, chains: {} },
  });
  expect(lines.find((line) => line.startsWith("waiting step of a flow"))).toMatch(/1700$/);
  expect(lines.find((line) => line.startsWith("W1"))).toMatch(/run_events 1\.00 +10 +2\.00 +2\.0$/);
  expect(lines.find((line) => line.startsWith("parallel branches"))).toMatch(/10 +20 +2\.00$/);
});
