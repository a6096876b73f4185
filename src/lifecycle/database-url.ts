import type { Settings } from "../config/settings-schema.js";
import { findEmbeddedPostgres } from "./postgres-record.js";
import { StartupError } from "./startup-error.js";

/** Settings whose database is known. */
export type SettingsWithDatabase = Settings & { readonly DATABASE_URL: string };

/**
 * Fills in `DATABASE_URL` from the embedded server that `headrace up` runs on the same data folder.
 * @throws StartupError when neither is there.
 */
export async function withDatabaseUrl(settings: Settings): Promise<SettingsWithDatabase> {
  const url = settings.DATABASE_URL ?? (await findEmbeddedPostgres(settings.DATA_DIR));
  if (url === undefined) {
    throw new StartupError(
      `There is no database: DATABASE_URL is not set, and no embedded PostgreSQL runs on ${settings.DATA_DIR}. ` +
        "Set DATABASE_URL, or run headrace up first.",
    );
  }
  return Object.freeze({ ...settings, DATABASE_URL: url });
}
