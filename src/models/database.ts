import { readdir } from "node:fs/promises";
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
function migrationsFolder(): string {
  const here = fileURLToPath(import.meta.url);
  const root = here.includes("/dist/")
    ? new URL("../../migrations", import.meta.url)
    : new URL("../../dist/migrations", import.meta.url);
  return fileURLToPath(root);
}

const MIGRATIONS_TABLE = "headrace_migrations";
const MIGRATION_LOCK = 7238120010;
/** How long one process waits while another migrates. */
const MIGRATION_WAIT_MS = 10 * 60_000;

/**
 * Brings the schema up to date; returns what was applied. Safe from any number of processes at once: one migrates,
 * the others wait for it. A schema that is newer than this program is left as it is, so that the processes of the
 * version before go on (and may start again) during a rolling deployment.
 * @param onWait told once when another process has the lock.
 */
export async function migrateDatabase(knex: Knex, onWait?: () => void): Promise<string[]> {
  if (await isMigrated(knex)) return [];
  return await knex.transaction(async (trx) => {
    const taken = await trx.raw("SELECT pg_try_advisory_xact_lock(?) AS is_mine", [MIGRATION_LOCK]);
    if (!taken.rows[0].is_mine) {
      onWait?.();
      await trx.raw(`SET LOCAL lock_timeout = ${MIGRATION_WAIT_MS}`);
      await trx.raw("SELECT pg_advisory_xact_lock(?)", [MIGRATION_LOCK]);
    }
    const config = {
      directory: migrationsFolder(),
      loadExtensions: [".js"],
      tableName: MIGRATIONS_TABLE,
      disableMigrationsListValidation: true,
    };
    // Knex's own lock is a row that outlives a killed process; ours goes with its connection, and is held here
    await knex.migrate.forceFreeMigrationsLock(config);
    const [, applied] = (await knex.migrate.latest(config)) as [number, string[]];
    return applied;
  });
}

async function isMigrated(knex: Knex): Promise<boolean> {
  const known = await knex.raw("SELECT to_regclass(?) IS NOT NULL AS is_there", [MIGRATIONS_TABLE]);
  if (!known.rows[0].is_there) return false;
  const applied = new Set(await knex(MIGRATIONS_TABLE).pluck<string[]>("name"));
  const names = await readdir(migrationsFolder());
  return names.filter((name) => name.endsWith(".js")).every((name) => applied.has(name));
}
