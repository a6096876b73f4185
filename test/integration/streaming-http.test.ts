import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { openPubSub } from "../../src/events/open-pub-sub.js";
import type { PubSub } from "../../src/events/pub-sub.js";
import { streamRoutes } from "../../src/http/routes/streams.js";
import { createStreamHub, type StreamHub } from "../../src/streaming/stream-hub.js";
import { appendEvents, type EventSketch, saveRun } from "../support/build-run.js";
import { openSse, readAll, type SseFrame } from "../support/sse-client.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

let server: TestServer;
let hub: StreamHub;
let pubSub: PubSub;

describe("event streams over HTTP", () => {
  beforeAll(async () => {
    server = await startTestServer({
      routes: ({ knex, logger, metrics }) => {
        const inner = createStreamHub({
          pubSub: {
            // opened below: the server has to name its database first
            publish: async (...message) => await pubSub.publish(...message),
            subscribe: async (...subscription) => await pubSub.subscribe(...subscription),
            onReconnect: (listener) => pubSub.onReconnect(listener),
            close: async () => undefined,
          },
          knex,
          logger,
          metrics,
        });
        hub = inner;
        return streamRoutes({ hub: inner });
      },
    });
    const { databaseUrl, prefix, logger } = server;
    pubSub = await openPubSub({ redisUrl: undefined, databaseUrl, prefix, logger });
    await hub.start();
  });
  afterAll(async () => {
    await hub.close();
    await pubSub.close();
    await server.close();
  });

  async function emit(runId: string, events: readonly EventSketch[]): Promise<void> {
    const seq = await appendEvents(server.knex, runId, events);
    const isRunEvent = events.some((event) => event.type.startsWith("run."));
    await pubSub.publish("run-events", { runs: [{ runId, seq, isRunEvent }] });
  }

  function asViewer(headers: Record<string, string> = {}): Record<string, string> {
    return { authorization: `Bearer ${server.users.viewer.token}`, ...headers };
  }

  async function open(path: string, headers: Record<string, string> = {}) {
    return await openSse(`${server.url}/api/v1${path}`, asViewer(headers));
  }

  async function endedRun(count: number): Promise<string> {
    const { id } = await saveRun(server.knex);
    const steps = Array.from(
      { length: count - 1 },
      (): EventSketch => ({ type: "step.progress", step_id: "only", attempt: 1 }),
    );
    await emit(id, [...steps, { type: "run.succeeded" }]);
    return id;
  }

  describe("GET /workflow-runs/{id}/stream", () => {
    it("sends frames as the contract says, then the end, then 204", async () => {
      const id = await endedRun(3);
      const client = await open(`/workflow-runs/${id}/stream`);
      expect(client.status).toBe(200);
      expect(client.headers["content-type"]).toBe("text/event-stream; charset=utf-8");
      expect(client.headers["cache-control"]).toContain("no-transform");
      const frames = await readAll(client);
      expect(frames.map(({ id: seq, event }) => [seq, event])).toEqual([
        ["1", "step.progress"],
        ["2", "step.progress"],
        ["3", "run.succeeded"],
        [undefined, "end"],
      ]);
      const first = JSON.parse(frames[0]?.data ?? "") as Record<string, unknown>;
      expect(first).toEqual({
        seq: 1,
        runId: id,
        type: "step.progress",
        at: first["at"],
        stepId: "only",
        attempt: 1,
        data: {},
      });
      expect(first["at"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      const again = await server.request({
        as: "viewer",
        path: `/api/v1/workflow-runs/${id}/stream`,
        headers: { "last-event-id": "3" },
      });
      expect(again).toMatchObject({ status: 204, text: "" });
    });

    it("goes on after Last-Event-ID, which wins over ?after=", async () => {
      const id = await endedRun(5);
      const seqs = (frames: readonly SseFrame[]) => frames.map((frame) => frame.id);
      const byHeader = await open(`/workflow-runs/${id}/stream?after=1`, { "last-event-id": "3" });
      expect(seqs(await readAll(byHeader))).toEqual(["4", "5", undefined]);
      const byQuery = await open(`/workflow-runs/${id}/stream?after=4`);
      expect(seqs(await readAll(byQuery))).toEqual(["5", undefined]);
      const headerWins = await open(`/workflow-runs/${id}/stream?after=nonsense`, { "last-event-id": "4" });
      expect(seqs(await readAll(headerWins))).toEqual(["5", undefined]);
    });

    it.each(["-1", "abc", "1e99", "01", "1.5", "9007199254740993", "99999999999999999999"])(
      "refuses the position %s",
      async (position) => {
        const id = await endedRun(1);
        const path = `/api/v1/workflow-runs/${id}/stream`;
        const byHeader = await server.request({ as: "viewer", path, headers: { "last-event-id": position } });
        expect(byHeader).toMatchObject({
          status: 422,
          body: { errors: [{ path: "/headers/Last-Event-ID" }] },
        });
        const byQuery = await server.request({ as: "viewer", path: `${path}?after=${position}` });
        expect(byQuery).toMatchObject({ status: 422, body: { errors: [{ path: "/after" }] } });
      },
    );

    it("waits beyond the end of a live run, and ends with it", async () => {
      const { id } = await saveRun(server.knex);
      const client = await open(`/workflow-runs/${id}/stream`, { "last-event-id": "1000000" });
      expect(client.status).toBe(200);
      const reading = readAll(client);
      await emit(id, [{ type: "run.failed" }]);
      expect((await reading).map((frame) => frame.event)).toEqual(["end"]);
      const beyond = await server.request({
        as: "viewer",
        path: `/api/v1/workflow-runs/${id}/stream?after=1000000`,
      });
      expect(beyond.status).toBe(204);
    });

    it("judges in order: 401, 404, 406, 422", async () => {
      const id = await endedRun(1);
      const path = `/api/v1/workflow-runs/${id}/stream`;
      const unknown = "/api/v1/workflow-runs/0190a1b2-0000-7000-8000-000000000000/stream?after=x";
      expect((await server.request({ as: null, path })).status).toBe(401);
      expect((await server.request({ as: "viewer", path: unknown })).status).toBe(404);
      expect((await server.request({ as: "viewer", path: "/api/v1/workflow-runs/abc/stream" })).status).toBe(
        404,
      );
      const wrongType = { accept: "application/json", "last-event-id": "x" };
      expect((await server.request({ as: "viewer", path, headers: wrongType })).status).toBe(406);
      const refused = { accept: "text/event-stream;q=0, */*" };
      expect((await server.request({ as: "viewer", path, headers: refused })).status).toBe(406);
      for (const accept of ["*/*", "text/*", "application/json, text/event-stream"]) {
        expect((await server.request({ as: "viewer", path, headers: { accept } })).status).toBe(200);
      }
    });

    it("closes the stream of somebody who was signed out", async () => {
      const { id } = await saveRun(server.knex);
      const user = await server.addUser("viewer", "leaver@example.com");
      const client = await openSse(`${server.url}/api/v1/workflow-runs/${id}/stream`, {
        authorization: `Bearer ${user.token}`,
      });
      expect(client.status).toBe(200);
      await server.knex("sessions").where("id", user.sessionId).update({ revoked_at: server.knex.fn.now() });
      const begunAt = performance.now();
      await readAll(client);
      expect(performance.now() - begunAt).toBeLessThan(15_000);
    });
  });

  describe("GET /stream", () => {
    it("follows run.* events of all runs from now on, each once", async () => {
      const before = await saveRun(server.knex);
      await emit(before.id, [{ type: "run.queued" }]);
      const client = await open("/stream");
      const one = await saveRun(server.knex);
      const other = await saveRun(server.knex);
      await new Promise((resolve) => setTimeout(resolve, 200));
      for (const { id } of [one, other]) {
        await emit(id, [{ type: "run.queued" }, { type: "step.queued", step_id: "only" }]);
        await emit(id, [{ type: "run.started" }, { type: "step.log", step_id: "only" }]);
        await emit(id, [{ type: "run.succeeded" }]);
      }
      const frames = await readAll(client, (soFar) => soFar.length === 6);
      const seen = frames.map(
        (frame) => JSON.parse(frame.data) as { runId: string; seq: number; type: string },
      );
      for (const { id } of [one, other]) {
        const ofRun = seen.filter((event) => event.runId === id);
        expect(ofRun.map((event) => event.seq)).toEqual([1, 3, 5]);
        expect(ofRun.map((event) => event.type)).toEqual(["run.queued", "run.started", "run.succeeded"]);
      }
    });

    it("resumes after the last event it sent, without loss or repetition", async () => {
      const client = await open("/stream");
      const { id } = await saveRun(server.knex);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await emit(id, [{ type: "run.queued" }]);
      const [first] = await readAll(client, (soFar) => soFar.length === 1);
      await emit(id, [{ type: "run.started" }]);
      await emit(id, [{ type: "run.waiting" }]);
      const resumed = await open("/stream", { "last-event-id": first?.id ?? "" });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await emit(id, [{ type: "run.failed" }]);
      const frames = await readAll(resumed, (soFar) => soFar.length === 3);
      expect(frames.map((frame) => frame.event)).toEqual(["run.started", "run.waiting", "run.failed"]);
    });

    it("replays from PostgreSQL what this process does not remember, losing nothing", async () => {
      const { id } = await saveRun(server.knex);
      const token = `${new Date(Date.now() - 1000).toISOString().replace("Z", "000Z")}_${id}_1`;
      await emit(id, [{ type: "run.queued" }]);
      await emit(id, [{ type: "run.started" }]);
      const client = await open("/stream", { "last-event-id": token });
      const ofRun = (frames: readonly SseFrame[]) => frames.filter((frame) => frame.data.includes(id));
      const frames = await readAll(client, (soFar) => ofRun(soFar).length === 2);
      expect(ofRun(frames).map((frame) => frame.event)).toEqual(["run.queued", "run.started"]);
    });

    it.each([
      "1",
      "abc",
      "2026-02-30T00:00:00.000000Z_0190a1b2-0000-7000-8000-000000000000_1",
      "'; DROP TABLE users_x_1",
    ])("refuses the token %s", async (token) => {
      const answer = await server.request({
        as: "viewer",
        path: `/api/v1/stream?after=${encodeURIComponent(token)}`,
      });
      expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: "/after" }] } });
    });
  });
});
