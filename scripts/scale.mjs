// npm run test:scale [-- RUNS [DAYS]]: fills a database with ended runs (a million over 30 days) and times what the
// console reads. docs/benchmarks.md has what came of it.
import pg from "pg";
import { loadProgram } from "./load-program.mjs";

const [runs = 1_000_000, days = 30] = process.argv.slice(2).map(Number);
const { main } = await loadProgram("scale");
const { providePostgres } = await import("./test-services.mjs");
const { migrateDatabase, openDatabase } = await import("../dist/src/models/database.js");

const postgres = await providePostgres();
const name = `headrace_scale_${process.pid}`;
try {
  await withAdmin(`CREATE DATABASE ${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const knex = openDatabase({ url: url.href, poolSize: 2, applicationName: "headrace-scale" });
  await migrateDatabase(knex);
  await knex.destroy();
  await main({ databaseUrl: url.href, runs, days });
  await withAdmin(`DROP DATABASE ${name} WITH (FORCE)`);
} finally {
  await postgres.stop();
}

async function withAdmin(sql) {
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query(sql);
  await admin.end();
}
