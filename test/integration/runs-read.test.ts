import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { runRoutes } from "../../src/http/routes/runs.js";
import { type ArtifactStore, createArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { createPlanCache } from "../../src/services/engine/plan-cache.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { buildPlan } from "../support/build-plan.js";
import { appendEvents, saveRun } from "../support/build-run.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const unused = () => Promise.reject(new Error("not under test"));

describe("reading runs", () => {
  let server: TestServer;
  let artifacts: ArtifactStore;
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-runs-"));
    server = await startTestServer({
      routes: ({ knex }) => {
        artifacts = createArtifactStore({ root, knex });
        const queries = createRunQueries({ knex, plans: createPlanCache({ knex }), artifacts });
        const commands = { start: unused, startTest: unused, cancel: unused, rerun: unused, decide: unused };
        return runRoutes({ commands, queries, hub: { waitForRun: unused } });
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const get = async (path: string) =>
    await server.request({ as: "viewer", path: `/api/v1/workflow-runs${path}` });
  const idsOf = (body: Record<string, unknown>) =>
    (body["items"] as unknown as { id: string }[]).map((item) => item.id);

  it("presents a run as the contract says", async () => {
    const plan = buildPlan([{ id: "a" }, { id: "b" }, { id: "c", after: ["a", "b"] }, { id: "d" }]);
    const workflowId = newId();
    const parent = newId();
    const { id } = await saveRun(server.knex, {
      plan,
      states: "sokr",
      run: {
        workflow_id: workflowId,
        workflow_name: "sales",
        workflow_version: 3,
        trigger: "webhook",
        input: JSON.stringify("123"),
        labels: JSON.stringify({ env: "prod" }),
        parent_run_id: parent,
        started_at: "2026-11-22T10:00:00.123Z",
        finished_at: "2026-11-22T10:00:01.623Z",
        status: "failed",
        error: JSON.stringify({ code: "script_error", message: "boom", stepId: "b", attempt: 1 }),
      },
    });
    const { status, body } = await get(`/${id}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      id,
      workflow: { id: workflowId, name: "sales", version: 3 },
      status: "failed",
      trigger: "webhook",
      // a string that looks like a number stays a string
      input: "123",
      output: null,
      error: { code: "script_error", message: "boom", stepId: "b", attempt: 1 },
      createdAt: body["createdAt"],
      startedAt: "2026-11-22T10:00:00.123Z",
      finishedAt: "2026-11-22T10:00:01.623Z",
      durationMs: 1500,
      stepCounts: {
        total: 4,
        pending: 0,
        queued: 0,
        running: 1,
        waiting: 0,
        succeeded: 1,
        failed: 1,
        skipped: 1,
        canceled: 0,
      },
      labels: { env: "prod" },
      priority: 0,
      createdBy: { id: null, name: "test" },
      parentRunId: parent,
      isPinned: false,
    });
  });

  it("answers 404 for what is no run, before anything else is judged", async () => {
    for (const id of [newId(), "abc", "0", "%00", "..%2fusers"]) {
      for (const part of ["", "/steps", "/logs?stream=x", "/graph"])
        expect((await get(`/${id}${part}`)).status).toBe(404);
    }
  });

  describe("lists", () => {
    const workflowId = newId();
    const runs: string[] = [];
    const day = (number: number) => new Date(Date.UTC(2026, 9, number, 12, 0, 0, 250));

    beforeAll(async () => {
      await server.knex("workflow_definitions").insert({ id: workflowId, name: "listed" });
      for (let number = 1; number <= 6; number += 1) {
        const at = day(number);
        const hex = at.getTime().toString(16).padStart(12, "0");
        const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-00000000000${number}`;
        await saveRun(server.knex, {
          run: {
            id,
            workflow_id: workflowId,
            workflow_name: "listed",
            created_at: at,
            status: number % 2 === 0 ? "failed" : "succeeded",
            trigger: number <= 3 ? "schedule" : "manual",
            labels: JSON.stringify({ number: String(number), env: number <= 4 ? "prod:eu" : "dev" }),
          },
        });
        runs.unshift(id);
      }
    });

    const list = async (query: string) => await get(`?workflow=listed&${query}`);
    const pick = (...numbers: number[]) => numbers.map((number) => runs[6 - number]);

    it("pages newest first, without gaps or repeats", async () => {
      const seen: string[] = [];
      let cursor: unknown = "";
      while (cursor !== null) {
        const { body } = await list(`limit=4${cursor ? `&cursor=${String(cursor)}` : ""}`);
        seen.push(...idsOf(body));
        cursor = body["nextCursor"];
      }
      expect(seen).toEqual(runs);
    });

    it.each([
      ["status=failed", [6, 4, 2]],
      ["trigger=schedule", [3, 2, 1]],
      ["trigger=schedule&status=failed", [2]],
      ["label=env:prod:eu", [4, 3, 2, 1]],
      ["label=env:prod:eu&label=number:2", [2]],
      ["label=env:nope", []],
      ["label=number:", []],
      ["createdAfter=2026-10-04", [6, 5, 4]],
      ["createdAfter=2026-10-04T12:00:00.250Z", [6, 5]],
      ["createdAfter=2026-10-04T12:00:00.249Z", [6, 5, 4]],
      ["createdBefore=2026-10-02T12:00:00.250Z", [1]],
      ["createdAfter=2026-10-02T14:00:00.250%2B02:00&createdBefore=2026-10-05", [4, 3]],
    ])("narrows by %s", async (query, numbers) => {
      const { status, body } = await list(query);
      expect(status).toBe(200);
      expect(idsOf(body)).toEqual(pick(...numbers));
    });

    it("finds a workflow by id too, also a deleted one, and nothing for an unknown name", async () => {
      expect(idsOf((await get(`?workflow=${workflowId}`)).body)).toEqual(runs);
      const deleted = newId();
      const { id } = await saveRun(server.knex, { run: { workflow_id: deleted } });
      expect(idsOf((await get(`?workflow=${deleted}`)).body)).toEqual([id]);
      expect((await get("?workflow=unknown")).body).toEqual({ items: [], nextCursor: null });
    });

    it.each([
      ["limit=0", "/limit"],
      ["limit=-1", "/limit"],
      ["limit=201", "/limit"],
      ["limit=1e3", "/limit"],
      ["limit=abc", "/limit"],
      ["cursor=random", "/cursor"],
      ["cursor=%27%20OR%201%3D1--", "/cursor"],
      ["status=nope", "/status"],
      ["status[]=a&status[]=b", "/status[]"],
      ["status=failed&status=queued", "/status"],
      ["label=a", "/label"],
      ["createdAfter=yesterday", "/createdAfter"],
      ["createdAfter=2026-02-30", "/createdAfter"],
      ["createdBefore=2026-02-30T00:00:00Z", "/createdBefore"],
      ["createdBefore=2026-01-01T00:00:00", "/createdBefore"],
      ["unknown=1", "/unknown"],
    ])("refuses ?%s", async (query, path) => {
      const { status, body } = await get(`?${query}`);
      expect(status).toBe(422);
      expect((body["errors"] as unknown as { path: string }[]).map((fault) => fault.path)).toContain(path);
    });

    it("reads by index: no scan and no sort of all runs", async () => {
      const plans: string[] = [];
      const onQuery = ({ sql, bindings }: { sql: string; bindings: unknown[] }) => {
        if (!sql.includes('from "workflow_runs"')) return;
        plans.push(JSON.stringify({ sql, bindings }));
      };
      server.knex.on("query", onQuery);
      await list("status=failed&createdAfter=2026-10-02&createdBefore=2026-10-05");
      server.knex.off("query", onQuery);
      const { sql, bindings } = JSON.parse(plans[0] ?? "{}") as { sql: string; bindings: string[] };
      const explained = await server.knex.transaction(async (trx) => {
        await trx.raw("SET LOCAL enable_seqscan = off");
        return await trx.raw<{ rows: { "QUERY PLAN": string }[] }>(
          `EXPLAIN ${sql.replace(/\$\d+/g, "?")}`,
          bindings,
        );
      });
      const text = explained.rows.map((row) => row["QUERY PLAN"]).join("\n");
      expect(text).toContain("Index");
      // the months after October are not even looked at
      expect(text).not.toMatch(/workflow_runs_20261[12]/);
    });
  });

  describe("steps", () => {
    const plan = buildPlan([
      { id: "load" },
      { id: "first", after: ["load"] },
      { id: "second", after: ["load"] },
      { id: "join", after: ["first", "second"] },
    ]);
    const step = async (runId: string, index: number, row: Record<string, unknown>) => {
      await server.knex("step_runs").where({ run_id: runId, step_index: index }).update(row);
    };
    const steps = async (runId: string, query = "") =>
      (await get(`/${runId}/steps${query}`)).body["items"] as unknown as Record<string, unknown>[];

    it("shows every step in order with its attempts, values and artifacts", async () => {
      const { id } = await saveRun(server.knex, { plan, states: "srqp" });
      const worker = newId();
      await server.knex("step_attempts").insert({
        run_id: id,
        step_index: 0,
        attempt: 1,
        status: "failed",
        worker_id: worker,
        queued_at: "2026-11-22T10:00:00Z",
        started_at: "2026-11-22T10:00:01Z",
        finished_at: "2026-11-22T10:00:03Z",
        error: JSON.stringify({ code: "worker_lost", message: "gone" }),
      });
      await step(id, 0, {
        attempt: 2,
        worker_id: worker,
        queued_at: "2026-11-22T10:00:04Z",
        started_at: "2026-11-22T10:00:05Z",
        finished_at: "2026-11-22T10:00:05.5Z",
        inputs: JSON.stringify({ a: 1 }),
        output: JSON.stringify("42"),
        sandbox_level: "process",
      });
      const owner = { runId: id, stepIndex: 0, itemIndex: -1 };
      await artifacts.saveBytes(
        { ...owner, attempt: 1 },
        { kind: "file", name: "old.txt" },
        Buffer.from("old"),
      );
      const kept = await artifacts.saveBytes(
        { ...owner, attempt: 2 },
        { kind: "file", name: "new.txt" },
        Buffer.from("new"),
      );
      const items = await steps(id);
      expect(items.map((item) => [item["stepId"], item["status"]])).toEqual([
        ["load", "succeeded"],
        ["first", "running"],
        ["second", "queued"],
        ["join", "pending"],
      ]);
      expect(items[0]).toMatchObject({
        attempt: 2,
        workerId: worker,
        inputs: { a: 1 },
        output: "42",
        error: null,
        durationMs: 500,
        cacheHit: false,
        sandboxLevel: "process",
        artifacts: [kept],
        attempts: [
          { attempt: 1, status: "failed", durationMs: 2000, error: { code: "worker_lost" } },
          { attempt: 2, status: "succeeded", durationMs: 500, error: null },
        ],
      });
      expect(items[0]).not.toHaveProperty("waitingFor");
      expect(items[3]).toMatchObject({ attempts: [], inputs: null, output: null, queuedAt: null });
    });

    it("says what each step waits for", async () => {
      const { id } = await saveRun(server.knex, { plan, states: "srqp" });
      await step(id, 2, { queued_at: "2026-11-22T10:00:00Z", available_at: "2026-11-22T10:00:00Z" });
      const reasons = async () =>
        (await steps(id)).map(
          (item) => (item["waitingFor"] as { reason: string; detail: string }[] | undefined)?.[0],
        );
      expect(await reasons()).toEqual([
        undefined,
        undefined,
        {
          reason: "worker",
          detail: "no live worker serves the group default",
          since: "2026-11-22T10:00:00.000Z",
          workerGroup: "default",
        },
        {
          reason: "dependency",
          detail: "waits for first, second",
          since: expect.any(String),
          steps: ["first", "second"],
        },
      ]);
      const worker = {
        id: newId(),
        hostname: "h",
        pid: 1,
        groups: ["default"],
        concurrency: 2,
        sandbox_level: "process",
        version: "1",
      };
      await server
        .knex("workers")
        .insert({ ...worker, running: 2, lease_until: server.knex.raw("now() + interval '1 minute'") });
      expect((await reasons())[2]).toMatchObject({ reason: "capacity" });
      await server.knex("workers").update({ running: 1 });
      expect((await reasons())[2]).toMatchObject({ reason: "queue" });
      await step(id, 2, { available_at: "2099-01-01T00:00:00Z" });
      expect((await reasons())[2]).toMatchObject({
        reason: "delay",
        detail: "the run was delayed until 2099-01-01T00:00:00.000Z",
      });
      await step(id, 2, { attempt: 2 });
      expect((await reasons())[2]).toMatchObject({
        reason: "retry",
        detail: "attempt 2 starts at 2099-01-01T00:00:00.000Z",
      });
      await server.knex("workers").delete();
    });

    it("pages where asked to, and refuses foreign cursors", async () => {
      const { id } = await saveRun(server.knex, { plan });
      const first = (await get(`/${id}/steps?limit=3`)).body;
      expect(first["items"]).toHaveLength(3);
      const rest = (await get(`/${id}/steps?limit=3&cursor=${String(first["nextCursor"])}`)).body;
      expect(rest).toMatchObject({ items: [{ stepId: "join" }], nextCursor: null });
      expect((await get(`/${id}/steps?cursor=zzz`)).status).toBe(422);
    });

    it("leaves out values beyond 32 MiB of text rather than failing", async () => {
      const { id } = await saveRun(server.knex, { plan, states: "ssss" });
      for (const index of [0, 1, 2])
        await step(id, index, { output: JSON.stringify("x".repeat(12 * 1024 * 1024)) });
      const items = await steps(id);
      expect(items.map((item) => (item["output"] as string | null)?.length)).toEqual([
        12 * 1024 * 1024,
        12 * 1024 * 1024,
        undefined,
        undefined,
      ]);
      expect(items.map((item) => item["isOmitted"])).toEqual([undefined, undefined, true, true]);
    });
  });

  describe("large outputs", () => {
    it("shows them in place up to 10 MiB, else names them", async () => {
      const { id } = await saveRun(server.knex);
      const owner = { runId: id, stepIndex: 0, itemIndex: -1, attempt: 1 };
      const content = { kind: "output", name: "output.json" } as const;
      const small = await artifacts.saveBytes(owner, content, Buffer.from(JSON.stringify({ rows: [1, 2] })));
      const large = await artifacts.saveBytes(
        owner,
        content,
        Buffer.from(JSON.stringify("y".repeat(11 * 1024 * 1024))),
      );
      const setRun = async (row: object) => await server.knex("workflow_runs").where("id", id).update(row);
      await setRun({ output_artifact_id: small.id });
      expect((await get(`/${id}`)).body).toMatchObject({ output: { rows: [1, 2] } });
      await setRun({ output_artifact_id: large.id });
      expect((await get(`/${id}`)).body).toMatchObject({
        output: null,
        outputArtifact: { id: large.id, sizeBytes: large.sizeBytes },
      });
      await server.knex("step_runs").where("run_id", id).update({ output_artifact_id: large.id });
      expect((await get(`/${id}/steps`)).body).toMatchObject({
        items: [{ output: null, outputArtifact: { id: large.id } }],
      });
    });

    it("puts the outputs that the engine named into a collected output, and no one else's", async () => {
      const { id } = await saveRun(server.knex);
      const save = async (runId: string, kind: "output" | "file") =>
        await artifacts.saveBytes(
          { runId, stepIndex: 0, itemIndex: -1, attempt: 1 },
          { kind, name: "o.json" },
          Buffer.from("[7]"),
        );
      const own = await save(id, "output");
      const foreign = await save(newId(), "output");
      const file = await save(id, "file");
      const named = (artifactId: string) => ({ $artifact: artifactId });
      const output = { a: named(own.id), b: named(foreign.id), c: named(file.id), d: 1, e: named(newId()) };
      await server
        .knex("workflow_runs")
        .where("id", id)
        .update({ output: JSON.stringify(output) });
      expect((await get(`/${id}`)).body["output"]).toEqual({ ...output, a: [7] });
    });

    it("still shows the run when the file is gone", async () => {
      const { id } = await saveRun(server.knex, { run: { output_artifact_id: newId() } });
      expect(await get(`/${id}`)).toMatchObject({ status: 200, body: { output: null } });
    });
  });

  describe("logs", () => {
    const line = (stream: string, message: string) => ({ at: "2026-11-22T10:00:00.000Z", stream, message });

    it("gives lines one by one, and goes on inside an event", async () => {
      const { id } = await saveRun(server.knex);
      await appendEvents(server.knex, id, [
        { type: "run.started" },
        {
          type: "step.log",
          step_id: "a",
          attempt: 1,
          data: { lines: [line("stdout", "1"), line("stderr", "2"), line("stdout", "3")] },
        },
        { type: "step.log", step_id: "b", attempt: 2, data: { lines: [line("system", "4")] } },
        ...Array.from({ length: 45 }, (_, index) => ({
          type: "step.log" as const,
          step_id: "a",
          attempt: 2,
          data: { lines: [line("stdout", String(5 + index))] },
        })),
      ]);
      const read = async (query: string) => {
        const messages: string[] = [];
        let cursor: unknown = "";
        while (cursor !== null) {
          const { status, body } = await get(
            `/${id}/logs?${query}${cursor ? `&cursor=${String(cursor)}` : ""}`,
          );
          expect(status).toBe(200);
          messages.push(...(body["items"] as unknown as { message: string }[]).map((item) => item.message));
          cursor = body["nextCursor"];
        }
        return messages;
      };
      const all = Array.from({ length: 49 }, (_, index) => String(index + 1));
      expect(await read("limit=1")).toEqual(all);
      expect(await read("limit=2")).toEqual(all);
      expect(await read("")).toEqual(all);
      expect(await read("stepId=b")).toEqual(["4"]);
      expect(await read("stepId=a&attempt=1&limit=2")).toEqual(["1", "2", "3"]);
      expect(await read("stream=stderr")).toEqual(["2"]);
      expect(await read("stream=system&limit=1")).toEqual(["4"]);
      expect(await read("stepId=nope")).toEqual([]);
      expect((await get(`/${id}/logs?limit=1`)).body["items"]).toEqual([
        { seq: 2, at: "2026-11-22T10:00:00.000Z", stepId: "a", attempt: 1, stream: "stdout", message: "1" },
      ]);
    });

    it.each(["stream=x", "attempt=-1", "attempt=0", "attempt=1.5", "cursor=x", "limit=201", "stepId="])(
      "refuses ?%s",
      async (query) => {
        const { id } = await saveRun(server.knex);
        expect((await get(`/${id}/logs?${query}`)).status).toBe(422);
      },
    );
  });

  it("draws the graph with each node's state", async () => {
    const plan = buildPlan([{ id: "a" }, { id: "b", after: ["a"] }]);
    const { id } = await saveRun(server.knex, { plan, states: "sr" });
    const { body } = await get(`/${id}/graph`);
    expect(body).toMatchObject({
      nodes: [
        { id: "a", data: { label: "a", status: "succeeded" } },
        { id: "b", data: { label: "b", status: "running", attempt: 1 } },
      ],
      edges: [{ source: "a", target: "b" }],
    });
  });
});
