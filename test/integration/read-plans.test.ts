import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Knex } from "knex";
import { systemActor } from "../../src/core/actor.js";
import { createDashboard } from "../../src/services/dashboard/dashboard.js";
import { createEntities } from "../../src/services/entities/entities.js";
import { listRuns } from "../../src/services/runs/list-runs.js";
import { createReadiness } from "../../src/services/health/readiness.js";
import { rollRunStats } from "../../src/services/run-stats/roll-run-stats.js";
import { createDependencyVisualizer } from "../../src/services/visualiser/dependency-visualizer.js";
import { createLogger } from "../../src/observability/logger.js";
import { generateRuns } from "../../bench/generate-runs.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const GREAT = /Seq Scan on (workflow_runs|step_runs|run_events|step_attempts)\S*/g;

/** Pages of 8 KiB: what one block range of an index spans twice. */
const SMALL_PAGES = 64;

interface Asked {
  readonly sql: string;
  readonly bindings: readonly unknown[];
}

/** What the console asks for may not grow with history: no statement of it reads a whole table of runs. */
describe("plans of the console's reads over 60,000 runs", () => {
  let database: TestDatabase;
  let workflowId = "";

  beforeAll(async () => {
    database = await createTestDatabase();
    const made = await generateRuns(database.knex, 60_000, 60);
    workflowId = made.workflowIds[0] ?? "";
    while (await rollRunStats(database.knex));
  });
  afterAll(async () => await database.drop());

  /** The statements that a piece of work sends. */
  async function watch(knex: Knex, work: () => Promise<unknown>): Promise<Asked[]> {
    const asked: Asked[] = [];
    const onQuery = ({ sql, bindings = [] }: Asked) => void asked.push({ sql, bindings });
    knex.on("query", onQuery);
    try {
      await work();
    } finally {
      knex.removeListener("query", onQuery);
    }
    return asked.filter(({ sql }) => /^\s*(select|with)/i.test(sql) && !/statement_timeout/.test(sql));
  }

  async function findGreatScans(knex: Knex, asked: readonly Asked[]): Promise<string[]> {
    const found: string[] = [];
    const client = (await knex.client.acquireConnection()) as {
      query(sql: string, values: readonly unknown[]): Promise<{ rows: { "QUERY PLAN": string }[] }>;
    };
    try {
      for (const { sql, bindings } of asked) {
        const { rows } = await client.query(`EXPLAIN ${sql}`, bindings);
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        for (const [scan] of plan.matchAll(GREAT)) {
          // a partition of a few pages is read as it is, whatever indexes it has
          const table = scan.slice("Seq Scan on ".length);
          const part = await knex("pg_class").first("relpages").where("relname", table);
          if (Number(part?.relpages) > SMALL_PAGES) found.push(`${scan}: ${sql}`);
        }
      }
    } finally {
      await knex.client.releaseConnection(client);
    }
    return found;
  }

  const lastDay = () => ({
    from: new Date(Date.now() - 24 * 3_600_000).toISOString(),
    to: new Date().toISOString(),
    bucket: "1h",
  });

  it.each(["summary", "activity", "runs", "failures", "durationP95", "queueDepth", "health"])(
    "dashboard: %s",
    async (what) => {
      const { knex } = database;
      const dashboard = createDashboard({
        knex,
        runQueue: { countJobs: () => Promise.resolve([]) },
        logger: createLogger({ level: "silent", name: "test" }),
        readiness: createReadiness({ checks: [], onFailure: () => undefined }),
      });
      const reads: Record<string, () => Promise<unknown>> = {
        summary: dashboard.summary,
        activity: async () => await dashboard.activity(100),
        health: dashboard.systemHealth,
      };
      const read =
        reads[what] ?? (async () => await dashboard.timeseries({ metric: what as "runs", ...lastDay() }));
      const asked = await watch(knex, read);
      expect(asked.length).toBeGreaterThan(0);
      expect(await findGreatScans(knex, asked)).toEqual([]);
    },
  );

  it("entities and graphs", async () => {
    const { knex } = database;
    const entities = createEntities({ knex });
    const actor = systemActor("test");
    const run = await knex("workflow_runs").first("id").orderBy("id").offset(30_000);
    const step = await knex("step_runs").first("id").where("run_id", run.id);
    const asked = await watch(knex, async () => {
      expect((await entities.get("workflow_run", run.id, actor)).id).toBe(run.id);
      expect((await entities.get("step_run", step.id, actor)).details["runId"]).toBe(run.id);
      await entities.list("workflow_run", { limit: 50, createdBefore: lastDay().from }, actor);
      await entities.list("step_run", { limit: 50, runId: run.id }, actor);
      await createDependencyVisualizer({ knex }).drawWorkflow(workflowId, { direction: "LR" });
    });
    expect(asked.length).toBeGreaterThan(5);
    expect(await findGreatScans(knex, asked)).toEqual([]);
  });

  it.each([
    ["a frequent name", "generated"],
    ["a rare word", "needle"],
    ["a frequent word of errors", "timeout"],
    ["no word that there is", "nosuchword"],
    ["the beginning of an id", "019000"],
    ["what may be the end of an id", "0190aa55"],
  ])("runs by a text: %s", async (_what, q) => {
    const { knex } = database;
    if (!isWorded) await addWords(knex);
    isWorded = true;
    const asked = await watch(knex, async () => await listRuns(knex, { q }, { limit: 50 }));
    expect(asked.length).toBeGreaterThan(1);
    expect(await findGreatScans(knex, asked)).toEqual([]);
    for (const { sql, bindings } of asked) {
      const { rows } = await knex.raw(`EXPLAIN ${sql.replaceAll(/\$\d+/g, "?")}`, [
        ...(bindings as string[]),
      ]);
      const plan = (rows as { "QUERY PLAN": string }[]).map((row) => row["QUERY PLAN"]).join("\n");
      // the words of each run, worked out one after the other by the order of ids
      expect(plan).not.toMatch(/_pkey[^>]*Filter: [^>]*search_words/);
    }
  });
});

let isWorded = false;

/** What a few of the failed runs failed for: most of them the same, one of them something else. */
async function addWords(knex: Knex): Promise<void> {
  await knex.raw(
    `UPDATE workflow_runs SET error = jsonb_build_object('code', 'timed_out', 'message', 'Timeout after 30 s')
     WHERE status = 'failed'`,
  );
  await knex.raw(
    `UPDATE workflow_runs SET labels = '{"note": "needle"}'
     WHERE id = (SELECT id FROM workflow_runs ORDER BY id LIMIT 1)`,
  );
  await knex.raw("VACUUM ANALYZE workflow_runs");
}
