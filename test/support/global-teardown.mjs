import pg from "pg";

/** Drops what test files left: databases of this run only, named after its template. */
export default async function teardown() {
  const admin = new pg.Client({ connectionString: process.env.TEST_DATABASE_URL });
  await admin.connect();
  const left = await admin.query(
    "SELECT datname FROM pg_database WHERE datname LIKE 'headrace_test_%_' || $1",
    [process.ppid],
  );
  for (const { datname } of left.rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  await admin.end();
}
