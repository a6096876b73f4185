import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { migrateDatabase, openDatabase } from "../../src/models/database.js";
import { eventually } from "../support/eventually.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

/** A migration that alters a table with partitions, which the version before is at work on meanwhile. */
const NAME = "20261128140000_add_step_ageing.js";

describe("migrations while the version before runs", () => {
  let database: TestDatabase;
  let older: pg.Client;
  let newer: ReturnType<typeof openDatabase>;

  beforeEach(async () => {
    database = await createTestDatabase();
    older = new pg.Client({ connectionString: database.url });
    await older.connect();
    older.on("error", () => undefined); // the test has failed when it is cut off
    await older.query("DELETE FROM headrace_migrations WHERE name = $1", [NAME]);
    await older.query("ALTER TABLE step_runs DROP COLUMN aged_at");
    newer = openDatabase({ url: database.url, poolSize: 4, applicationName: "test" });
  });
  afterEach(async () => {
    await older?.end();
    await newer?.destroy();
    await database?.drop();
  });

  const migrate = () => migrateDatabase(newer).catch((error: Error) => error);
  const isWaiting = async () =>
    (await older.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")).rowCount !== 0;

  it("are tried again when they and a transaction wait for each other", async () => {
    const { rows } = await older.query(
      "SELECT inhrelid::regclass AS name FROM pg_inherits WHERE inhparent = 'step_runs'::regclass LIMIT 1",
    );
    await older.query("BEGIN");
    await older.query(`SELECT count(*) FROM ${rows[0].name}`);
    const migrated = migrate();
    await eventually("the migration waits for the partition", isWaiting);
    // it waits for the migration in turn: PostgreSQL would end whichever finds out, after its deadlock_timeout of a second
    await sleep(1200);
    await older.query("SELECT count(*) FROM step_runs");
    await older.query("COMMIT");
    expect(await migrated).toEqual([NAME]);
    await older.query("SELECT aged_at FROM step_runs");
  });

  it("hold nobody up for longer than some seconds while they wait for a lock", async () => {
    await older.query("BEGIN");
    await older.query("SELECT count(*) FROM step_runs");
    const migrated = migrate();
    await eventually("the migration waits for the table", isWaiting);
    const other = new pg.Client({ connectionString: database.url });
    await other.connect();
    const startedAt = performance.now();
    await other.query("SELECT count(*) FROM step_runs");
    expect(performance.now() - startedAt).toBeLessThan(6000);
    await other.end();
    await older.query("COMMIT");
    expect(await migrated).toEqual([NAME]);
  }, 30_000);
});
