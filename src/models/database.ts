import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import knexFactory, { type Knex } from "knex";
import pg from "pg";
import type { Logger } from "../observability/logger.js";

/** How to reach PostgreSQL. */
export interface DatabaseOptions {
  readonly url: string;
  /** Most connections of the pool. */
  readonly poolSize: number;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Told what Knex notices of its connections by itself; by default Knex prints that. */
  readonly logger?: Pick<Logger, "warn">;
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
    ...(options.logger && { log: toKnexLogger(options.logger) }),
  });
}

/** One line for each notice: the stacks that Knex adds are those of errors which its callers get as well. */
function toKnexLogger(logger: Pick<Logger, "warn">): Knex.Logger {
  const warn = (message: unknown): void => {
    const [line = ""] = String(message).split("\n");
    logger.warn({ source: "knex" }, line);
  };
  return { warn, error: warn, deprecate: warn };
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
 * How long a migration waits for a table: whoever comes after it waits as long. Less than PostgreSQL's `deadlock_timeout` of a
 * second, so that where it and a transaction of a running process wait for each other, the migration is the one to give up.
 */
const TABLE_WAIT_MS = 800;
/** It met statements of processes that run: a deadlock, or a table that it did not get in that time. */
const COLLIDED: ReadonlySet<unknown> = new Set(["40P01", "55P03"]);

/**
 * Brings the schema up to date; returns what was applied. Safe from any number of processes at once: one migrates,
 * the others wait for it. A schema that is newer than this program is left as it is, so that the processes of the
 * version before go on (and may start again) during a rolling deployment. They are at work meanwhile: a migration that gets in
 * their way is taken back and tried again.
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
    return await applyMissing(knex);
  });
}

/** Each migration is a transaction: those before one that collides stay applied. */
async function applyMissing(knex: Knex): Promise<string[]> {
  const config = {
    directory: migrationsFolder(),
    loadExtensions: [".js"],
    tableName: MIGRATIONS_TABLE,
    disableMigrationsListValidation: true,
  };
  const before = await readApplied(knex);
  const migrating = openForMigrations(knex);
  try {
    for (const until = performance.now() + MIGRATION_WAIT_MS; ; await sleep(200 + 800 * Math.random())) {
      // Knex's own lock is a row that outlives a killed process; ours goes with its connection, and is held here
      await migrating.migrate.forceFreeMigrationsLock(config);
      try {
        await migrating.migrate.latest(config);
        return [...(await readApplied(knex))].filter((name) => !before.has(name)).sort();
      } catch (error) {
        const isOver = performance.now() > until;
        if (isOver || !COLLIDED.has((error as { code?: unknown }).code)) throw error;
      }
    }
  } finally {
    await migrating.destroy();
  }
}

/** Connections to the same database that do not wait for a table for long. */
function openForMigrations(knex: Knex): Knex {
  const { client, connection } = knex.client.config as Knex.Config;
  return knexFactory({
    client: client as string,
    connection: connection as Knex.PgConnectionConfig,
    pool: {
      min: 0,
      max: 2,
      afterCreate: (created: pg.Client, done: (error: Error | null, created: pg.Client) => void) =>
        void created.query(`SET lock_timeout = ${TABLE_WAIT_MS}`, (error) => done(error, created)),
    },
    // a collision is no news: it is tried again
    log: { warn: () => undefined, error: () => undefined },
  });
}

async function readApplied(knex: Knex): Promise<Set<string>> {
  const known = await knex.raw("SELECT to_regclass(?) IS NOT NULL AS is_there", [MIGRATIONS_TABLE]);
  return new Set(known.rows[0].is_there ? await knex(MIGRATIONS_TABLE).pluck<string[]>("name") : []);
}

async function isMigrated(knex: Knex): Promise<boolean> {
  const applied = await readApplied(knex);
  if (applied.size === 0) return false;
  const names = await readdir(migrationsFolder());
  return names.filter((name) => name.endsWith(".js")).every((name) => applied.has(name));
}
