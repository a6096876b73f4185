import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";

/**
 * Makes the template database that each test file clones. Needs a PostgreSQL server: TEST_DATABASE_URL
 * (scripts/test.mjs sets it, from an embedded server when there is no other), by default the local one.
 */
export default async function setup() {
  const { migrateDatabase, openDatabase } = await import("../../dist/src/models/database.js");
  const adminUrl = process.env.TEST_DATABASE_URL ?? "postgres://postgres@127.0.0.1:5432/postgres";
  process.env.TEST_DATABASE_URL = adminUrl;
  const folder = fileURLToPath(new URL("../../dist/migrations", import.meta.url));
  const hash = createHash("sha256");
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".js"))
    .sort()) {
    hash.update(name).update(readFileSync(join(folder, name)));
  }
  const template = `headrace_template_${hash.digest("hex").slice(0, 12)}`;
  process.env.TEST_TEMPLATE_DATABASE = template;
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query("SELECT pg_advisory_lock(7238120099)");
    const known = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1", [template]);
    if (known.rowCount) return;
    await admin.query(`CREATE DATABASE ${template}_new`);
    const url = new URL(adminUrl);
    url.pathname = `/${template}_new`;
    const knex = openDatabase({ url: url.href, poolSize: 2, applicationName: "headrace-test-template" });
    await migrateDatabase(knex);
    await knex.destroy();
    await admin.query(`ALTER DATABASE ${template}_new RENAME TO ${template}`);
  } finally {
    await admin.end();
  }
}
