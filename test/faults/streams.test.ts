import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { findFreePort } from "../support/find-free-port.js";
import type { RoleProcess } from "../support/spawn-role.js";
import { openSse, type SseClient } from "../support/sse-client.js";

const STEPS = 20;
const LINES_OF_STEP = 500;
/** Lines of one step become an event of their own when they are further apart than they are gathered. */
const APART_MS = 120;
const CLIENTS = 4;
const DROP_AFTER = 200;
const RESTART_AFTER_MS = [15_000, 35_000];

/** What a client has had over all its connections. */
interface Followed {
  readonly seqs: number[];
  readonly lines: string[];
  hasEnded: boolean;
  drops: number;
}

describe.each(FAULT_BACKENDS)("F24: a stream that breaks, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  it(`${STEPS * LINES_OF_STEP} lines of ${STEPS} steps at once, clients that drop, two APIs that are killed`, async () => {
    world = await openFaultWorld({ hasRedis, settings: { WORKER_CONCURRENCY: String(STEPS) } });
    const ports = await Promise.all([findFreePort(), findFreePort()]);
    const openApi = async (port: number) => await world.spawn("api", { PORT: String(port) });
    const apis = await Promise.all(ports.map(openApi));
    await world.spawn("worker");
    const [first] = apis as [RoleProcess, RoleProcess];
    await addWriters(first.address);
    const started = await world.call(first.address, "POST", "/api/v1/workflow-runs", { workflow: "write" });
    expect(started.status).toBe(202);
    const path = `/api/v1/workflow-runs/${String(started.body["id"])}/stream`;
    const urls = apis.map(({ address }) => `${address}${path}`);
    const following = Promise.all(Array.from({ length: CLIENTS }, (_, n) => follow(urls, n)));
    for (const [at, afterMs] of RESTART_AFTER_MS.entries()) {
      await sleep(afterMs - (RESTART_AFTER_MS[at - 1] ?? 0));
      await apis[at]?.kill();
      await openApi(Number(ports[at]));
    }
    const followed = await following;
    const events = await world.knex("run_events").orderBy("seq").select("seq");
    const drops = followed.reduce((sum, one) => sum + one.drops, 0);
    recordFigures(
      "F24",
      name,
      `${STEPS * LINES_OF_STEP} lines of ${STEPS} steps at once in ${events.length} events; two instances in turn, each killed once; ${CLIENTS} clients, ${drops} breaks in all: each had every event once and in order, every line once, and 204 at last`,
    );
    for (const { seqs, lines, hasEnded } of followed) {
      expect(hasEnded).toBe(true);
      expect(seqs).toEqual(events.map((event) => Number(event.seq)));
      expect(seqs).toEqual(seqs.map((_, index) => index + 1));
      expect(lines).toHaveLength(STEPS * LINES_OF_STEP);
      expect(new Set(lines).size).toBe(lines.length);
    }
    expect(drops).toBeGreaterThan((CLIENTS * events.length) / (2 * DROP_AFTER));
  }, 300_000);

  /** Steps side by side that write their lines one by one. */
  async function addWriters(address: string): Promise<void> {
    const code = `
      export default async ({ step }: { step: number }) => {
        for (let n = 0; n < ${LINES_OF_STEP}; n += 1) {
          console.log(\`line \${step} \${n}\`);
          await new Promise((resolve) => setTimeout(resolve, ${APART_MS}));
        }
      };`;
    const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
      name: "writer",
      mcpType: "typescript_script",
      version: { version: "1.0.0", config: { type: "typescript_script", code, timeoutSeconds: 250 } },
    });
    expect(made.status).toBe(201);
    const steps = Array.from({ length: STEPS }, (_, step) => ({
      id: `writer-${step}`,
      uses: "mcp:writer",
      inputs: { step: { value: step } },
    }));
    await world.addWorkflow(address, "write", steps);
  }

  /** Reads to the end, from one instance after the other: each connection is dropped after about so many events. */
  async function follow(urls: readonly string[], offset: number): Promise<Followed> {
    const followed: Followed = { seqs: [], lines: [], hasEnded: false, drops: 0 };
    await eventually(
      "204",
      async () => {
        const url = String(urls[(followed.drops + offset) % urls.length]);
        const last = followed.seqs.at(-1);
        followed.drops += 1;
        const headers = {
          authorization: `Bearer ${world.token}`,
          ...(last === undefined ? {} : { "last-event-id": String(last) }),
        };
        // an instance that is being restarted refuses: the other is asked next
        const client = await openSse(url, headers).catch(() => undefined);
        if (client?.status === 200) await take(client, followed);
        else client?.close();
        return client?.status === 204;
      },
      250_000,
    );
    return followed;
  }

  async function take(client: SseClient, followed: Followed): Promise<void> {
    const most = Math.ceil(2 * DROP_AFTER * Math.random());
    let taken = 0;
    for await (const { id, event, data } of client.frames) {
      if (event === "end") followed.hasEnded = true;
      if (id === undefined) continue;
      followed.seqs.push(Number(id));
      const { type, data: content } = JSON.parse(data) as {
        type: string;
        data: { lines?: { message: string }[] };
      };
      if (type === "step.log") followed.lines.push(...(content.lines ?? []).map(({ message }) => message));
      taken += 1;
      if (taken >= most) break;
    }
    client.close();
  }
});
