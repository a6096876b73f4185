import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Knex } from "knex";
import { openPubSub } from "../../src/events/open-pub-sub.js";
import type { PubSub } from "../../src/events/pub-sub.js";
import { createLogger } from "../../src/observability/logger.js";
import { createMetrics } from "../../src/observability/metrics.js";
import type { SseTimings } from "../../src/streaming/sse-connection.js";
import { createStreamHub, type StreamHub } from "../../src/streaming/stream-hub.js";
import { appendEvents, type EventSketch, saveRun } from "../support/build-run.js";
import { openSse, readAll, type SseFrame } from "../support/sse-client.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const logger = createLogger({ level: "silent", name: "test" });
const BACKENDS = [
  { name: "PostgreSQL", redisUrl: undefined },
  ...(process.env["TEST_REDIS_URL"] ? [{ name: "Redis", redisUrl: process.env["TEST_REDIS_URL"] }] : []),
];

/** One API process's part in streaming: a hub with its own PubSub connection, behind a bare server. */
interface Node {
  readonly hub: StreamHub;
  readonly metrics: ReturnType<typeof createMetrics>;
  readonly url: string;
  close(): Promise<void>;
}

async function startNode(knex: Knex, pubSub: PubSub, timings?: Partial<SseTimings>): Promise<Node> {
  const metrics = createMetrics({ collectDefaults: false });
  const hub = createStreamHub({ pubSub, knex, logger, metrics, ...(timings ? { timings } : {}) });
  await hub.start();
  const server: Server = createServer((request, response) => {
    const runId = request.url?.slice(1) ?? "";
    const after = Number(request.headers["last-event-id"] ?? 0);
    void hub.judgeEntry(runId, after).then(async (entry) => {
      if (entry === "open") await hub.streamRun(runId, after, response);
      else response.writeHead(entry === "ended" ? 204 : 404).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    hub,
    metrics,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      await hub.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pubSub.close();
    },
  };
}

/** Deterministic numbers in [0, 1): a failing seed can be run again. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function seqsOf(frames: readonly SseFrame[]): number[] {
  return frames.filter((frame) => frame.event !== "end").map((frame) => Number(frame.id));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

const logEvent = (text: string): EventSketch => ({
  type: "step.log",
  step_id: "only",
  attempt: 1,
  data: { lines: [{ at: "2026-11-22T00:00:00.000Z", stream: "stdout", message: text }] },
});

describe.each(BACKENDS)("event streams over $name", ({ redisUrl }) => {
  let database: TestDatabase;
  let nodes: Node[];
  let publisher: PubSub;

  const open = async () =>
    await openPubSub({ redisUrl, databaseUrl: database.url, prefix: database.prefix, logger });

  beforeAll(async () => {
    database = await createTestDatabase();
    publisher = await open();
    nodes = [await startNode(database.knex, await open()), await startNode(database.knex, await open())];
  });
  afterAll(async () => {
    for (const node of nodes) await node.close();
    await publisher.close();
    await database.drop();
  });

  async function emit(runId: string, events: readonly EventSketch[]): Promise<number> {
    const seq = await appendEvents(database.knex, runId, events);
    const isRunEvent = events.some((event) => event.type.startsWith("run."));
    await publisher.publish("run-events", { runs: [{ runId, seq, isRunEvent }] });
    return seq;
  }

  /** Reads a run to its end, dropping the connection after a random number of frames, on a random node. */
  async function readWithDrops(
    runId: string,
    random: () => number,
  ): Promise<{ seqs: number[]; connectionCount: number }> {
    const seqs: number[] = [];
    let connectionCount = 0;
    for (;;) {
      const node = nodes[Math.floor(random() * nodes.length)];
      const client = await openSse(
        `${node?.url}/${runId}`,
        seqs.length > 0 ? { "last-event-id": String(seqs.at(-1)) } : {},
      );
      connectionCount += 1;
      if (client.status === 204) return { seqs, connectionCount };
      const quota = 1 + Math.floor(random() * 400);
      const frames = await readAll(client, (soFar) => soFar.length >= quota);
      seqs.push(...seqsOf(frames));
    }
  }

  it("gives a client that drops at random points exactly 1..N, in order, then 204", async () => {
    const { id } = await saveRun(database.knex);
    const total = 5000;
    const readers = [11, 23, 42].map((seed) => readWithDrops(id, seeded(seed)));
    let written = 0;
    while (written < total - 1) {
      const count = Math.min(1 + (written % 17), total - 1 - written);
      written = await emit(
        id,
        upTo(count).map((line) => logEvent(`line ${written + line}`)),
      );
    }
    await emit(id, [{ type: "run.succeeded" }]);
    for (const { seqs, connectionCount } of await Promise.all(readers)) {
      expect(seqs).toEqual(upTo(total));
      expect(connectionCount).toBeGreaterThan(5);
    }
  });

  it("keeps the order with 20 writers at once", async () => {
    const { id } = await saveRun(database.knex);
    const reading = nodes.map(async (node) => await readAll(await openSse(`${node.url}/${id}`)));
    await Promise.all(
      upTo(20).map(async (writer) => {
        for (const line of upTo(25))
          await emit(id, [logEvent(`${writer}/${line}`), { type: "step.progress", step_id: "only" }]);
      }),
    );
    await emit(id, [{ type: "run.failed" }]);
    for (const frames of await Promise.all(reading)) {
      expect(seqsOf(frames)).toEqual(upTo(1001));
      expect(frames.at(-1)?.event).toBe("end");
      expect(frames.at(-2)?.event).toBe("run.failed");
    }
  });

  it("delivers a live event within moments, to every node", async () => {
    const { id } = await saveRun(database.knex);
    const clients = await Promise.all(nodes.map(async (node) => await openSse(`${node.url}/${id}`)));
    await emit(id, [{ type: "run.queued" }]);
    for (const client of clients) expect((await client.frames.next()).value).toMatchObject({ id: "1" });
    const begunAt = performance.now();
    await emit(id, [{ type: "run.started" }]);
    for (const client of clients)
      expect((await client.frames.next()).value).toMatchObject({ id: "2", event: "run.started" });
    expect(performance.now() - begunAt).toBeLessThan(1000);
    for (const client of clients) client.close();
  });

  it("wakes waiters when a run ends, and lets go of them in time", async () => {
    const { id } = await saveRun(database.knex);
    const { hub } = nodes[0] as Node;
    const signal = new AbortController().signal;
    expect(await hub.waitForRun(id, 50, signal)).toBe(false);
    const waiting = hub.waitForRun(id, 20_000, signal);
    const gone = new AbortController();
    const abandoned = hub.waitForRun(id, 20_000, gone.signal);
    gone.abort();
    expect(await abandoned).toBe(false);
    const begunAt = performance.now();
    await emit(id, [{ type: "run.canceled" }]);
    expect(await waiting).toBe(true);
    expect(performance.now() - begunAt).toBeLessThan(2000);
  });
});

/** A PubSub that can lose messages and reconnect at will. */
function createLossyPubSub() {
  const listeners: ((message: never) => void)[] = [];
  const onReconnects: (() => void)[] = [];
  const pubSub: PubSub = {
    publish: async (_channel, message) => listeners.forEach((listener) => listener(message as never)),
    async subscribe(_channel, listener) {
      listeners.push(listener as (message: never) => void);
      return async () => undefined;
    },
    onReconnect: (listener) => void onReconnects.push(listener),
    close: async () => undefined,
  };
  return { pubSub, reconnect: () => onReconnects.forEach((listener) => listener()) };
}

describe("event streams by themselves", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => await database.drop());

  it("reads what was missed after a reconnect, without any notice", async () => {
    const { pubSub, reconnect } = createLossyPubSub();
    const node = await startNode(database.knex, pubSub);
    const { id } = await saveRun(database.knex);
    await appendEvents(database.knex, id, [{ type: "run.queued" }]);
    const client = await openSse(`${node.url}/${id}`);
    await client.frames.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await appendEvents(database.knex, id, [{ type: "run.started" }]);
    const begunAt = performance.now();
    reconnect();
    expect((await client.frames.next()).value).toMatchObject({ id: "2" });
    expect(performance.now() - begunAt).toBeLessThan(1000);
    client.close();
    await node.close();
  });

  it("finds events whose notice was lost by looking itself", async () => {
    const node = await startNode(database.knex, createLossyPubSub().pubSub);
    const { id } = await saveRun(database.knex);
    await appendEvents(database.knex, id, [{ type: "run.queued" }]);
    const client = await openSse(`${node.url}/${id}`);
    await client.frames.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await appendEvents(database.knex, id, [{ type: "run.succeeded" }]);
    const frames = await readAll(client);
    expect(frames.map((frame) => frame.event)).toEqual(["run.succeeded", "end"]);
    await node.close();
  });

  it("asks PostgreSQL once per notice, however many clients follow", async () => {
    const { pubSub } = createLossyPubSub();
    let queryCount = 0;
    const onQuery = ({ sql }: { sql: string }) => {
      if (sql.includes("FROM run_events")) queryCount += 1;
    };
    const node = await startNode(database.knex, pubSub);
    const { id } = await saveRun(database.knex);
    const clients = await Promise.all(upTo(40).map(async () => await openSse(`${node.url}/${id}`)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    database.knex.on("query", onQuery);
    for (let seq = 1; seq <= 10; seq += 1) {
      await appendEvents(database.knex, id, [logEvent("x")]);
      await pubSub.publish("run-events", { runs: [{ runId: id, seq, isRunEvent: false }] });
      for (const client of clients)
        expect((await client.frames.next()).value).toMatchObject({ id: String(seq) });
    }
    database.knex.off("query", onQuery);
    expect(queryCount).toBeLessThanOrEqual(12);
    for (const client of clients) client.close();
    await node.close();
  });

  it("never answers from before a notice, nor stops at what it keeps in memory", async () => {
    const { pubSub } = createLossyPubSub();
    const node = await startNode(database.knex, pubSub);
    const { id } = await saveRun(database.knex);
    const first = await openSse(`${node.url}/${id}`);
    // it has asked, and been told "nothing yet"
    await new Promise((resolve) => setTimeout(resolve, 150));
    const begunAt = performance.now();
    await appendEvents(database.knex, id, [logEvent("1"), logEvent("2")]);
    await pubSub.publish("run-events", { runs: [{ runId: id, seq: 2, isRunEvent: false }] });
    for (const seq of ["1", "2"]) expect((await first.frames.next()).value).toMatchObject({ id: seq });
    // committed, its notice still on the way: a newcomer finds it behind the two that are kept
    await appendEvents(database.knex, id, [logEvent("3")]);
    const second = await openSse(`${node.url}/${id}`);
    for (const seq of ["1", "2", "3"]) expect((await second.frames.next()).value).toMatchObject({ id: seq });
    expect(performance.now() - begunAt).toBeLessThan(2000);
    first.close();
    second.close();
    await node.close();
  });

  it("sends a comment now and then", async () => {
    const node = await startNode(database.knex, createLossyPubSub().pubSub, { commentMs: 50 });
    const { id } = await saveRun(database.knex);
    const client = await openSse(`${node.url}/${id}`);
    const reading = readAll(client);
    await new Promise((resolve) => setTimeout(resolve, 400));
    client.close();
    await reading;
    expect(client.commentCount()).toBeGreaterThan(3);
    await node.close();
  });

  it("closes a client that takes nothing, and loses nothing for the others", async () => {
    const { pubSub } = createLossyPubSub();
    const node = await startNode(database.knex, pubSub, { stallMs: 500 });
    const { id } = await saveRun(database.knex);
    const stalled = await openSse(`${node.url}/${id}`);
    stalled.pause();
    const healthy = openSse(`${node.url}/${id}`).then(readAll);
    const big = logEvent("x".repeat(60_000));
    for (let batch = 0; batch < 25; batch += 1) {
      const seq = await appendEvents(
        database.knex,
        id,
        upTo(10).map(() => big),
      );
      await pubSub.publish("run-events", { runs: [{ runId: id, seq, isRunEvent: false }] });
    }
    const seq = await appendEvents(database.knex, id, [{ type: "run.succeeded" }]);
    await pubSub.publish("run-events", { runs: [{ runId: id, seq, isRunEvent: true }] });
    expect(seqsOf(await healthy)).toEqual(upTo(251));
    const open = async () => (await node.metrics.streamClients.get()).values[0]?.value;
    const deadline = Date.now() + 5000;
    while ((await open()) !== 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await open()).toBe(0);
    // what it had taken counts: it resumes there
    const taken = seqsOf(await readAll(stalled));
    expect(taken.length).toBeLessThan(251);
    const rest = await readAll(
      await openSse(`${node.url}/${id}`, { "last-event-id": String(taken.at(-1) ?? 0) }),
    );
    expect([...taken, ...seqsOf(rest)]).toEqual(upTo(251));
    await node.close();
  });

  it("ends every stream when the server stops", async () => {
    const node = await startNode(database.knex, createLossyPubSub().pubSub);
    const { id } = await saveRun(database.knex);
    await appendEvents(database.knex, id, [{ type: "run.queued" }]);
    const client = await openSse(`${node.url}/${id}`);
    await client.frames.next();
    const begunAt = performance.now();
    await node.hub.close();
    expect(await client.frames.next()).toMatchObject({ done: true });
    expect(performance.now() - begunAt).toBeLessThan(1000);
    await node.close();
  });
});
