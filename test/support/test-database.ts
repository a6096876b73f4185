import { randomBytes } from "node:crypto";
import type { Knex } from "knex";
import pg from "pg";
import { openDatabase } from "../../src/models/database.js";

/** A database of one test file's own, cloned from the migrated template. */
export interface TestDatabase {
  readonly url: string;
  readonly knex: Knex;
  /** A namespace for queues and channels that no other test file uses. */
  readonly prefix: string;
  drop(): Promise<void>;
}

async function withAdmin(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: process.env["TEST_DATABASE_URL"] });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

/** Clones the template; call `drop()` in `afterAll`. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `headrace_test_${randomBytes(5).toString("hex")}_${process.ppid}`;
  await withAdmin((admin) =>
    admin.query(`CREATE DATABASE ${name} TEMPLATE ${process.env["TEST_TEMPLATE_DATABASE"]}`),
  );
  const url = new URL(process.env["TEST_DATABASE_URL"] ?? "");
  url.pathname = `/${name}`;
  const knex = openDatabase({ url: url.href, poolSize: 5, applicationName: "headrace-test" });
  return {
    url: url.href,
    knex,
    prefix: `t${randomBytes(5).toString("hex")}`,
    async drop() {
      await knex.destroy();
      await withAdmin((admin) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}
