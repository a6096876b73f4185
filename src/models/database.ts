import { fileURLToPath } from "node:url";
import knexFactory, { type Knex } from "knex";
import pg from "pg";

/** How to reach PostgreSQL. */
export interface DatabaseOptions {
  readonly url: string;
  /** Most connections of the pool. */
  readonly poolSize: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
}

// bigint columns here are sequence numbers and sizes, far below 2^53
pg.types.setTypeParser(pg.types.builtins.INT8, (value) => Number(value));

/** A pooled Knex over PostgreSQL. The caller destroys it. */
export function openDatabase(options: DatabaseOptions): Knex {
  return knexFactory({
    client: "pg",
    connection: {
      connectionString: options.url,
      application_name: options.applicationName,
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
    },
    pool: { min: 0, max: options.poolSize, acquireTimeoutMillis: 10_000, idleTimeoutMillis: 30_000 },
  });
}

/** Folder of the compiled migrations: always the `.js`, since Knex stores their file names. */
export function migrationsFolder(): string {
  const here = fileURLToPath(import.meta.url);
  const root = here.includes("/dist/")
    ? new URL("../../migrations", import.meta.url)
    : new URL("../../dist/migrations", import.meta.url);
  return fileURLToPath(root);
}

/** Brings the schema up to date. Safe from several processes at once: Knex's lock row and ours decide. */
export async function migrateDatabase(knex: Knex): Promise<string[]> {
  return await knex.transaction(async (trx) => {
    // Knex's own lock makes the second process fail; this one makes it wait
    await trx.raw("SELECT pg_advisory_xact_lock(7238120010)");
    const [, applied] = (await knex.migrate.latest({
      directory: migrationsFolder(),
      loadExtensions: [".js"],
      tableName: "headrace_migrations",
    })) as [number, string[]];
    return applied;
  });
}
