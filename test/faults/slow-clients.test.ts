import { afterEach, describe, expect, it } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import {
  FAULT_BACKENDS,
  type FaultWorld,
  openFaultWorld,
  percentile,
  recordFigures,
} from "../support/fault-world.js";
import { addFloodWorkflow } from "../support/log-flood.js";
import { openSlowClient, type SlowClient } from "../support/slow-client.js";
import { openSse, readAll } from "../support/sse-client.js";
import { watchMemory } from "../support/watch-memory.js";

const CLIENTS = 50;
/** Pairs of a run without and one with the clients; the middle one of their ratios counts. */
const PAIRS = 3;
const FLOOD = { linesPerSecond: 5000, seconds: 15, width: 200 };
/** A client that takes nothing for a minute is closed. */
const CLOSED_WITHIN_MS = 200_000;

describe.each(FAULT_BACKENDS)("F25: clients that read slowly", ({ name, hasRedis }) => {
  let world: FaultWorld;
  let clients: SlowClient[] = [];

  afterEach(async () => {
    for (const client of clients) client.close();
    await world?.close();
  });

  it(`${CLIENTS} clients at 1 KiB a second slow no run, and cost little memory`, async () => {
    world = await openFaultWorld({ hasRedis });
    const [api] = await Promise.all([world.spawn("api"), world.spawn("worker")]);
    await addFloodWorkflow(world, api.address, { name: "flood", steps: 1, ...FLOOD });
    const headers = { authorization: `Bearer ${world.token}` };
    await runFlood(api.address); // the first one warms both processes up
    const alone: number[] = [];
    const watched: number[] = [];
    let runId = "";
    let grownBytes = 0;
    const memory = watchMemory(api.pid);
    for (let pair = 0; pair < PAIRS; pair += 1) {
      alone.push((await runFlood(api.address)).tookMs);
      memory.noteBase();
      for (const client of clients) client.close();
      const run = await runFlood(api.address, async (id) => {
        const url = `${api.address}/api/v1/workflow-runs/${id}/stream`;
        clients = await Promise.all(Array.from({ length: CLIENTS }, () => openSlowClient(url, headers)));
      });
      watched.push(run.tookMs);
      runId = run.id;
    }
    // a client sees its end only behind megabytes that the kernel still holds for it
    const open = async () => {
      const text = await (await fetch(`${api.address}/metrics`)).text();
      return Number(/^headrace_stream_clients\S* (\d+)/m.exec(text)?.[1]);
    };
    try {
      await eventually("the slow ones are closed", async () => (await open()) === 0, CLOSED_WITHIN_MS);
    } finally {
      grownBytes = memory.stop();
    }
    const [first] = clients;
    const taken = first?.lastId() ?? 0;
    const rest = await readAll(
      await openSse(`${api.address}/api/v1/workflow-runs/${runId}/stream`, {
        ...headers,
        "last-event-id": String(taken),
      }),
    );
    const seqs = rest.filter((frame) => frame.id !== undefined).map((frame) => Number(frame.id));
    const ratios = watched.map((tookMs, pair) => tookMs / Number(alone[pair]));
    const ratio = percentile(ratios, 0.5);
    recordFigures(
      "F25",
      name,
      `${CLIENTS} clients at 1 KiB/s on a run with ${FLOOD.linesPerSecond} lines a second for ${FLOOD.seconds} s: runs took ${ratio.toFixed(2)} times as long as without (${PAIRS} pairs: ${ratios.map((one) => one.toFixed(2)).join(", ")}), the API's memory grew by ${Math.round(grownBytes / 1024 ** 2)} MiB at most, all ${CLIENTS} were closed, one of them resumed after event ${taken} and had the ${seqs.length} others`,
    );
    expect(ratio).toBeLessThanOrEqual(1.1);
    expect(grownBytes).toBeLessThan(100 * 1024 ** 2);
    expect(taken).toBeGreaterThan(0);
    expect(seqs).toEqual(seqs.map((_, index) => taken + 1 + index));
    expect(rest.at(-1)?.event).toBe("end");
  }, 500_000);

  async function runFlood(
    address: string,
    onStarted: (id: string) => Promise<void> = async () => undefined,
  ): Promise<{ id: string; tookMs: number }> {
    const started = await world.call(address, "POST", "/api/v1/workflow-runs", { workflow: "flood" });
    const id = String(started.body["id"]);
    await onStarted(id);
    const row = () => world.knex("workflow_runs").first().where("id", id);
    await eventually("its end", async () => (await row()).status === "succeeded", 90_000);
    const { started_at: from, finished_at: to } = await row();
    return { id, tookMs: to - from };
  }
});
