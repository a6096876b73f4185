import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { SeriesMetric } from "../../src/contracts/api/dashboard.js";
import { readTimeseries } from "../../src/services/dashboard/timeseries.js";
import { removeOldRunStats, rollRunStats } from "../../src/services/run-stats/roll-run-stats.js";
import { generateRuns } from "../../bench/generate-runs.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const METRICS: readonly SeriesMetric[] = ["runs", "failures", "durationP95", "queueDepth"];
const MINUTE_MS = 60_000;
const LARGEST_ERROR = 0.0477;

/** The statistics against the runs themselves, read as if there were no statistics. */
describe("statistics of runs", () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await generateRuns(database.knex, 4000, 1);
    // random lengths; some wait for long, some never start, some are still at it
    await database.knex.raw(`
      UPDATE workflow_runs SET started_at = created_at + random() * interval '40 minutes';
      UPDATE workflow_runs SET finished_at = started_at + exp(random() * 13) * interval '1 ms';
      UPDATE workflow_runs SET started_at = NULL, status = 'canceled' WHERE random() < 0.05;
      UPDATE workflow_runs SET status = 'running', finished_at = NULL WHERE finished_at > now();
      UPDATE workflow_runs SET status = 'queued', started_at = NULL, finished_at = NULL WHERE started_at > now();
      DELETE FROM run_events;
      INSERT INTO run_events (run_id, seq, type, at)
      SELECT id, 1, 'run.queued', created_at FROM workflow_runs UNION ALL
      SELECT id, 2, 'run.started', started_at FROM workflow_runs WHERE started_at IS NOT NULL UNION ALL
      SELECT id, 3, 'run.' || status, finished_at FROM workflow_runs WHERE finished_at IS NOT NULL;
    `);
  });
  afterAll(async () => await database.drop());

  async function rollAll(eventsAtOnce?: number): Promise<number> {
    let rounds = 1;
    while (await rollRunStats(database.knex, eventsAtOnce)) rounds += 1;
    return rounds;
  }

  const stateOf = async () => (await database.knex("run_stats_state").first()) as { watermark: Date };

  const read = async (metric: SeriesMetric, from: Date, to: Date, bucket: string) => {
    const query = { metric, from: from.toISOString(), to: to.toISOString(), bucket };
    return (await readTimeseries(database.knex, query)).points.map(({ value }) => value);
  };

  async function readRows(metric: SeriesMetric, from: Date, to: Date, bucket: string) {
    const { watermark } = await stateOf();
    await database.knex("run_stats_state").update({ watermark: new Date(0) });
    try {
      return await read(metric, from, to, bucket);
    } finally {
      await database.knex("run_stats_state").update({ watermark });
    }
  }

  async function expectSame(): Promise<void> {
    const now = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS;
    for (const [minutes, bucket] of [
      [60, "1m"],
      [300, "7m"],
      [1387, "95m"],
    ] as const) {
      for (const metric of METRICS) {
        const from = new Date(now - minutes * MINUTE_MS);
        const known = await read(metric, from, new Date(now), bucket);
        const told = await readRows(metric, from, new Date(now), bucket);
        expect(known).toHaveLength(told.length);
        if (metric !== "durationP95") {
          expect({ metric, bucket, known }).toEqual({ metric, bucket, known: told });
          continue;
        }
        known.forEach((value, index) => {
          const exact = told[index] ?? null;
          if (value === null || exact === null) expect(value).toBe(exact);
          else expect(Math.abs(value - exact)).toBeLessThanOrEqual(exact * LARGEST_ERROR + 0.5);
        });
      }
    }
  }

  it("takes old runs in by batches, two at once and with a stop in the middle, each once", async () => {
    expect(await rollRunStats(database.knex, 500)).toBe(true);
    const { watermark } = await stateOf();
    // a leader that dies before its commit leaves nothing behind
    await expect(
      database.knex.transaction(async (trx) => {
        await rollRunStats(trx, 500);
        throw new Error("died");
      }),
    ).rejects.toThrow("died");
    expect((await stateOf()).watermark).toEqual(watermark);
    const rounds = await Promise.all([rollAll(500), rollAll(500)]);
    await rollAll(500);
    expect(Math.max(...rounds)).toBeGreaterThan(5);
    expect(Date.now() - (await stateOf()).watermark.getTime()).toBeLessThan(3 * MINUTE_MS);
    const [sum] = (await database.knex("run_stats").where("grain", 60).sum("created as runs")) as unknown as {
      runs: unknown;
    }[];
    const { watermark: reached } = await stateOf();
    const [made] = await database.knex("workflow_runs").where("created_at", "<", reached).count("* as runs");
    expect(Number(sum?.runs)).toBe(Number(made?.["runs"]));
    expect(Number(sum?.runs)).toBeGreaterThan(3900);
    await expectSame();
  });

  it("adds what has happened since, and runs that end long after they were created", async () => {
    await rollAll();
    await database.knex.raw(`
      WITH late AS (
        UPDATE workflow_runs SET status = 'failed', finished_at = now()
        WHERE id IN (SELECT id FROM workflow_runs WHERE status = 'running' ORDER BY id LIMIT 3) RETURNING id
      )
      INSERT INTO run_events (run_id, seq, type) SELECT id, 3, 'run.failed' FROM late;
      WITH begun AS (
        UPDATE workflow_runs SET status = 'running', started_at = now()
        WHERE id IN (SELECT id FROM workflow_runs WHERE status = 'queued' ORDER BY id LIMIT 5) RETURNING id
      )
      INSERT INTO run_events (run_id, seq, type) SELECT id, 2, 'run.started' FROM begun;
    `);
    await expectSame();
  });

  it("waits for a transaction that may yet write events of an earlier time", async () => {
    const trx = await database.knex.transaction();
    try {
      const { rows } = await trx.raw("SELECT now() AS began");
      await rollAll();
      expect((await stateOf()).watermark.getTime()).toBeLessThanOrEqual((rows[0].began as Date).getTime());
    } finally {
      await trx.rollback();
    }
  });

  it("lets old statistics go", async () => {
    await database.knex("run_stats").insert({
      grain: 60,
      at: "2020-01-01",
      created: 1,
      succeeded: 0,
      failed: 0,
      canceled: 0,
    });
    const before = Number((await database.knex("run_stats").count("* as rows"))[0]?.["rows"]);
    await removeOldRunStats(database.knex, 30, new AbortController().signal);
    expect(Number((await database.knex("run_stats").count("* as rows"))[0]?.["rows"])).toBe(before - 1);
  });
});
