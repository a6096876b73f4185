import { afterEach, expect, it } from "@jest/globals";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tokenFile } from "../../src/cli/connect.js";
import { readPostgresRecord } from "../../src/lifecycle/postgres-record.js";
import { isProcessAlive } from "../../src/lifecycle/running-process.js";
import { findDescendants } from "../support/descendants.js";
import { eventually } from "../support/eventually.js";
import { recordFigures } from "../support/fault-world.js";
import { makeDataDir, removeDataDir, type RunningUp, startUp, stopUp } from "../support/headrace-up.js";

const KILLS = 5;
const RUNS = 5;
let up: RunningUp | undefined;
let dataDir = "";

afterEach(async () => {
  if (up) await stopUp(up);
  removeDataDir(dataDir);
});

async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const token = readFileSync(tokenFile(dataDir), "utf8").trim();
  const response = await fetch(`${up?.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(20_000),
  });
  expect(response.ok).toBe(true);
  return (await response.json()) as Record<string, unknown>;
}

it(`F33: npm start is killed ${KILLS} times, with its database or without it, and recovers it each time`, async () => {
  dataDir = makeDataDir();
  const settings = { DATA_DIR: dataDir, PORT: "0", DRAIN_SECONDS: "5" };
  up = await startUp(settings);
  const steps = ["a", "b"].map((id) => ({
    id,
    uses: "builtin:wait",
    ...(id === "b" ? { dependsOn: ["a"] } : {}),
    inputs: { seconds: { value: 2 } },
  }));
  await ask("POST", "/workflow-definitions", { name: "waits", definition: { steps } });
  const started: string[] = [];
  const readyMs: number[] = [];
  let stale = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    for (let n = 0; n < RUNS; n += 1)
      started.push(String((await ask("POST", "/workflow-runs", { workflow: "waits" }))["id"]));
    await sleep(1000);
    const all = findDescendants(up.process.pid ?? 0);
    // every other time its database is killed at the same moment, as when the power goes, and leaves its lock file
    const isPowerCut = kill % 2 === 1;
    up.process.kill("SIGKILL");
    if (isPowerCut) for (const { pid } of all) tryKill(pid);
    await up.result;
    await eventually("all gone", () => all.every(({ pid }) => !isProcessAlive(pid)), 20_000);
    if (findLockFile()) stale += 1;
    const startedAt = performance.now();
    up = await startUp(settings);
    readyMs.push(Math.round(performance.now() - startedAt));
  }
  const ended = async () =>
    await Promise.all(started.map(async (id) => (await ask("GET", `/workflow-runs/${id}`))["status"]));
  await eventually("all runs", async () => (await ended()).every((status) => status === "succeeded"), 60_000);
  recordFigures(
    "F33",
    "PostgreSQL",
    `${KILLS} kills, ${stale} of which left PostgreSQL's lock file: ready after ${readyMs.join(", ")} ms; ${started.length} of ${started.length} runs succeeded`,
  );
  expect(stale).toBeGreaterThan(0);
  expect(Math.max(...readyMs)).toBeLessThanOrEqual(20_000);
}, 300_000);

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended already
  }
}

function findLockFile(): boolean {
  return existsSync(join(readPostgresRecord(dataDir)?.clusterFolder ?? "", "postmaster.pid"));
}
