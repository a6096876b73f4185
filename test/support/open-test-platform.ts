import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load-settings.js";
import { openPlatform, type Platform } from "../../src/container.js";
import { createLogger } from "../../src/observability/logger.js";
import { createTestDatabase } from "./test-database.js";

/** A platform on PostgreSQL alone, with a database and a data folder of its own. */
export interface TestPlatform {
  readonly platform: Platform;
  /** Ends it with all that it has; call in `afterAll`, after what was started on it. */
  close(): Promise<void>;
}

/** Opens one, with further settings. */
export async function openTestPlatform(environment: Readonly<Record<string, string>>): Promise<TestPlatform> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), "headrace-test-"));
  const settings = loadSettings({
    environment: {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      QUEUE_PREFIX: database.prefix,
      LOG_LEVEL: process.env["TEST_LOG_LEVEL"] ?? "error",
      PORT: "0",
      ...environment,
    },
  });
  const logger = createLogger({ level: settings.LOG_LEVEL, name: "test" });
  const platform = await openPlatform({ settings, databaseUrl: database.url, logger, role: "test" });
  return {
    platform,
    async close() {
      await platform.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
