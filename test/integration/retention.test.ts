import { mkdtempSync } from "node:fs";
import { rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Knex } from "knex";
import { newId } from "../../src/core/ids.js";
import { runChangeRoutes } from "../../src/http/routes/run-changes.js";
import { type ArtifactFiles, createArtifactFiles } from "../../src/services/artifacts/artifact-files.js";
import { type ArtifactStore, createArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { createPlanCache } from "../../src/services/engine/plan-cache.js";
import { createRetention, type Retention } from "../../src/services/retention/retention.js";
import { createRunPins } from "../../src/services/runs/run-pins.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { appendEvents, saveRun } from "../support/build-run.js";
import { eventually } from "../support/eventually.js";
import { idOf, monthsAgo } from "../support/old-ids.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const DAYS = 30;
const DAY_MS = 24 * 3_600_000;
const never = new AbortController().signal;

function partitionOf(table: string, at: Date): string {
  return `${table}_${at.toISOString().slice(0, 7).replace("-", "")}`;
}

describe("retention", () => {
  let server: TestServer;
  let knex: Knex;
  let root: string;
  let files: ArtifactFiles;
  let store: ArtifactStore;
  let retention: Retention;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "headrace-retention-"));
    server = await startTestServer({
      routes({ knex: pool, audit }) {
        store = createArtifactStore({ root, knex: pool });
        const queries = createRunQueries({
          knex: pool,
          plans: createPlanCache({ knex: pool }),
          artifacts: store,
        });
        const unused = async () => await Promise.reject(new Error("not called"));
        const commands = { rerun: unused, decide: unused };
        return runChangeRoutes({ commands, queries, pins: createRunPins({ knex: pool, audit }) });
      },
    });
    knex = server.knex;
    files = createArtifactFiles(root);
    const { audit, logger } = server;
    retention = createRetention({ knex, files, audit, logger, days: DAYS });
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  /** A run with a row in every table. */
  async function save(at: Date, run: Record<string, unknown> = {}): Promise<string> {
    const ended = { status: "succeeded", created_at: at, started_at: at, finished_at: at };
    const id = (run["id"] as string | undefined) ?? idOf(at);
    await saveRun(knex, { states: "s", run: { ...ended, ...run, id } });
    await appendEvents(knex, id, [{ type: "step.log", data: { lines: ["x".repeat(3000)] } }]);
    await knex("step_attempts").insert({
      run_id: id,
      step_index: 0,
      attempt: 1,
      status: "failed",
      finished_at: at,
    });
    await knex("step_items").insert({ run_id: id, step_index: 0, chunk: 0, items: "[1]" });
    return id;
  }

  /** Partitions for the month of a moment. */
  async function openMonth(at: Date): Promise<Date> {
    await knex.raw("SELECT create_run_partitions(?, 1)", [at]);
    return at;
  }

  /** In how many of the five tables a run has rows. */
  async function countTables(id: string): Promise<number> {
    const tables = [
      ["workflow_runs", "id"],
      ["step_runs"],
      ["step_attempts"],
      ["run_events"],
      ["step_items"],
    ];
    const found = await Promise.all(
      tables.map(
        async ([table = "", column = "run_id"]) => await knex(table).first(column).where(column, id),
      ),
    );
    return found.filter((row) => row !== undefined).length;
  }

  async function isAttached(table: string, at: Date): Promise<boolean> {
    const { rows } = await knex.raw(
      "SELECT 1 FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE c.relname = ?",
      [partitionOf(table, at)],
    );
    return rows.length === 1;
  }

  it("drops old months, and keeps what is pinned, goes on, ended lately, or belongs to those", async () => {
    const [older, old] = [await openMonth(monthsAgo(8)), await openMonth(monthsAgo(7))];
    const gone = [await save(older), await save(old), await save(old, { status: "failed" })];
    const parent = await save(old, { is_pinned: true });
    const live = { status: "waiting", finished_at: null };
    const kept = [
      parent,
      await save(old, { parent_run_id: parent }),
      await save(old, live),
      await save(old, { finished_at: new Date(Date.now() - DAY_MS) }),
      await save(new Date()),
      await save(new Date(Date.now() - (DAYS - 1) * DAY_MS)),
    ];
    expect(await retention.apply(never)).toMatchObject({ runs: gone.length });
    expect(await Promise.all(gone.map(countTables))).toEqual([0, 0, 0]);
    expect(await Promise.all(kept.map(countTables))).toEqual([5, 5, 5, 5, 5, 5]);
    expect(await isAttached("run_events", older)).toBe(false);
    expect(await isAttached("run_events", old)).toBe(true);
    const { rows: left } = await knex.raw(
      "SELECT relname FROM pg_class WHERE relname LIKE '%\\_kept%' AND relkind = 'r'",
    );
    expect(left).toEqual([]);
    // what goes on can be written to, and found by the parent's indexes
    expect(await appendEvents(knex, kept[2] ?? "", [{ type: "run.succeeded" }])).toBe(2);
    const entry = await knex("action_logs").where("action", "run.expire").orderBy("seq", "desc").first();
    expect(entry).toMatchObject({ actor_name: "retention", after: { removed: 2, kept: 4 } });

    expect(await retention.apply(never)).toMatchObject({ months: 0, runs: 0 });
    await knex("workflow_runs").where("id", parent).update({ is_pinned: false });
    // the child was its parent's; the third has just ended
    expect(await retention.apply(never)).toMatchObject({ months: 1, runs: 2 });
    expect(await Promise.all(kept.map(countTables))).toEqual([0, 0, 5, 5, 5, 5]);
  });

  it("waits for busy tables in short steps, lets others pass, and keeps what is pinned meanwhile", async () => {
    const old = await openMonth(monthsAgo(6));
    const [goes, pinned] = [await save(old), await save(old)];
    const reader = await knex.transaction();
    await reader("workflow_runs").first("id").where("id", goes);
    const applying = retention.apply(never);
    await eventually("it waits for the lock", async () => {
      const { rows } = await knex.raw(
        "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted",
      );
      return rows.length > 0;
    });
    const startedAt = performance.now();
    await knex("workflow_runs").where("id", pinned).update({ is_pinned: true });
    await save(new Date());
    expect(performance.now() - startedAt).toBeLessThan(4000);
    await reader.commit();
    expect(await applying).toMatchObject({ months: 1, runs: 1 });
    expect([await countTables(goes), await countTables(pinned)]).toEqual([0, 5]);
    expect(await knex("workflow_runs").first("is_pinned").where("id", pinned)).toEqual({ is_pinned: true });
  });

  it("deletes rows of the default partition, which has no month to drop", async () => {
    const ancient = new Date("2001-02-03T00:00:00Z");
    const [goes, stays] = [await save(ancient), await save(ancient, { is_pinned: true })];
    await retention.apply(never);
    expect([await countTables(goes), await countTables(stays)]).toEqual([0, 5]);
  });

  it("removes artifacts of runs that went, and their files once nothing names them", async () => {
    const old = await openMonth(monthsAgo(5));
    const owner = { stepIndex: 0, itemIndex: -1, attempt: 1 };
    const goes = { ...owner, runId: await save(old) };
    const stays = { ...owner, runId: await save(new Date()) };
    const put = async (to: typeof goes, text: string, kind: "file" | "output" = "file") =>
      await store.saveBytes(to, { kind, name: "a.txt" }, Buffer.from(text));
    const alone = await put(goes, "alone");
    const fresh = await put(goes, "fresh");
    const shared = await put(goes, "shared");
    const other = await put(stays, "shared");
    const reused = await put(goes, "reused", "output");
    await knex("step_runs").where("run_id", stays.runId).update({ output_artifact_id: reused.id });
    await knex("step_cache").insert({
      key: "k",
      output: "1",
      from_run_id: goes.runId,
      expires_at: new Date(Date.now() + DAY_MS),
    });
    const pathOf = (sha256: string) => join(root, sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    const longAgo = new Date(Date.now() - 40 * DAY_MS);
    for (const { sha256 } of [alone, shared, reused]) await utimes(pathOf(sha256), longAgo, longAgo);

    expect(await retention.apply(never)).toMatchObject({ artifacts: 3, files: 1 });
    expect(
      (await store.findMany([alone.id, fresh.id, shared.id, other.id, reused.id]))
        .map((row) => row.id)
        .sort(),
    ).toEqual([other.id, reused.id].sort());
    await expect(stat(pathOf(alone.sha256))).rejects.toThrow("ENOENT");
    const { bytes } = await store.open(other.id);
    await bytes.close();
    // just written: somebody may be about to name it, so it is looked at again tomorrow
    await stat(pathOf(fresh.sha256));
    expect(await knex("artifact_removals").select("sha256")).toEqual([{ sha256: fresh.sha256 }]);
    expect(await knex("step_cache").first("key").where("key", "k")).toBeUndefined();

    // storing the same bytes again makes them fresh, and named again they stay
    await utimes(pathOf(fresh.sha256), longAgo, longAgo);
    await put(stays, "fresh");
    expect(Date.now() - (await stat(pathOf(fresh.sha256))).mtimeMs).toBeLessThan(60_000);
    await utimes(pathOf(fresh.sha256), longAgo, longAgo);
    await knex("artifact_removals").update({ due_at: longAgo });
    expect(await retention.apply(never)).toMatchObject({ files: 0 });
    await stat(pathOf(fresh.sha256));
    expect(await knex("artifact_removals").select("sha256")).toEqual([]);
  });

  it("pins and unpins: operators only, once in the audit log, shown in every answer", async () => {
    const { id } = await saveRun(knex);
    const post = async (as: "viewer" | "operator", change: string, runId = id) =>
      await server.request({ as, method: "POST", path: `/api/v1/workflow-runs/${runId}/${change}` });
    expect((await post("viewer", "pin")).status).toBe(403);
    expect((await post("operator", "pin", newId())).status).toBe(404);
    expect((await post("operator", "pin", "nonsense")).status).toBe(404);
    expect(await post("operator", "pin")).toMatchObject({ status: 200, body: { id, isPinned: true } });
    expect(await post("operator", "pin")).toMatchObject({ status: 200, body: { isPinned: true } });
    expect(await post("operator", "unpin")).toMatchObject({ status: 200, body: { isPinned: false } });
    const entries = await knex("action_logs")
      .select("action", "actor_name")
      .where({ entity_id: id, outcome: "succeeded" })
      .orderBy("seq");
    expect(entries).toEqual([
      { action: "run.pin", actor_name: "operator@example.com" },
      { action: "run.unpin", actor_name: "operator@example.com" },
    ]);
  });
});
