import { expect, test } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchSettings } from "./bench-settings.js";
import type { Contender, ContenderName } from "./contender.js";
import { measureRounds } from "./rounds.js";
import { WORKLOADS } from "./workloads.js";

const settings: BenchSettings = {
  rounds: 2,
  isQuick: true,
  workloads: WORKLOADS.filter(({ id }) => id !== "W2").map((workload) => ({
    ...workload,
    latencySamples: { full: 3, quick: 3 },
  })),
  measuresScripts: false,
  growth: [],
  peers: ["dbos", "n8n"],
  peersFolder: undefined,
  inFlight: 2,
  warmUpMs: 5,
  windowMs: 30,
  jsonTo: undefined,
  isProfile: false,
  isClaimed: false,
  isCheck: false,
  databaseUrl: undefined,
};

function contender(name: ContenderName, ms: number, more: Partial<Contender> = {}): Contender {
  return {
    name,
    workerPid: process.pid,
    run: async () => await sleep(ms),
    close: () => Promise.resolve(),
    ...more,
  };
}

async function measure(contenders: readonly Contender[]) {
  const told: string[] = [];
  const result = await measureRounds(contenders, settings, {
    signal: new AbortController().signal,
    progress: (line) => void told.push(line),
    servers: { redis: process.pid, postgres: undefined },
  });
  return { result, told };
}

const ours = [contender("raw", 2), contender("headrace", 4)];

test("peers are measured in the same rounds; n8n against Headrace behind HTTP, and only in what it can run", async () => {
  const { result } = await measure([
    ...ours,
    contender("headraceHttp", 8),
    contender("n8n", 32, { lacks: ["fanOut"] }),
    contender("dbos", 16),
  ]);
  const { W1, W3 } = result;
  expect(W1?.ratios.vsRaw).toBeLessThan(1);
  expect(W1?.ratios.vsDbos).toBeGreaterThan(1.5);
  // 32 / 8, where it would be 32 / 4 by the wrong contender
  expect(W1?.ratios.vsN8n).toBeGreaterThan(2);
  expect(W1?.ratios.vsN8n).toBeLessThan(6);
  expect(W1?.ratios.p50VsN8n).toBeGreaterThan(2);
  expect(Object.keys(W3?.others ?? {})).toEqual(["headraceHttp", "dbos"]);
  expect(W3?.ratios.vsN8n).toBeUndefined();
});

test("a peer that fails is left out and said so; Headrace that fails ends the benchmark", async () => {
  let runs = 0;
  const failing = async (): Promise<void> => {
    runs += 1;
    await sleep(1);
    if (runs > 10) throw new Error("gone");
  };
  const { result, told } = await measure([...ours, contender("dbos", 1, { run: failing })]);
  expect(result["W1"]?.others).toEqual({});
  expect(result["W1"]?.ratios.vsDbos).toBeUndefined();
  expect(told.filter((line) => line === "dbos is left out: gone")).toHaveLength(1);
  await expect(measure([contender("raw", 1), contender("headrace", 1, { run: failing })])).rejects.toThrow(
    "gone",
  );
});
