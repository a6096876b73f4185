import type { Settings } from "../config/settings-schema.js";
import { type SettingsWithDatabase, withDatabaseUrl } from "./database-url.js";
import { type LifecycleLogger, startEmbeddedPostgres } from "./embedded-postgres.js";
import { acquireInstanceLock } from "./instance-lock.js";
import { findEmbeddedPostgres } from "./postgres-record.js";

/**
 * Does some work on the installation's database: DATABASE_URL, else the embedded server, which is started for as
 * long as the work takes when it does not run.
 * @throws StartupError when there is no database to be had.
 */
export async function withDatabase<T>(
  settings: Settings,
  logger: LifecycleLogger,
  work: (settings: SettingsWithDatabase) => Promise<T>,
): Promise<T> {
  const isThere = settings.DATABASE_URL ?? (await findEmbeddedPostgres(settings.DATA_DIR));
  if (isThere !== undefined) return await work(await withDatabaseUrl(settings));
  const lock = acquireInstanceLock(settings.DATA_DIR);
  try {
    const server = await startEmbeddedPostgres({ dataDir: settings.DATA_DIR, logger });
    try {
      return await work(Object.freeze({ ...settings, DATABASE_URL: server.url }));
    } finally {
      await server.stop();
    }
  } finally {
    lock.release();
  }
}
