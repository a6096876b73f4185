import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import pg from "pg";
import { createSandbox } from "../../../workers/sandbox/create-sandbox.js";
import { locatePostgresBinaries } from "../../lifecycle/postgres-binaries.js";
import { findEmbeddedPostgres } from "../../lifecycle/postgres-record.js";
import { findDatabaseAccount } from "../../lifecycle/system-account.js";
import type { Check } from "../commands/doctor.js";

const OLDEST_POSTGRES = 140_000;
const CONNECT_LIMIT_MS = 5000;

/** The database: the one that is set, the embedded one that runs, or whether an embedded one could run. */
export const checkDatabase: Check = async (settings) => {
  const name = "PostgreSQL";
  const url = settings.DATABASE_URL ?? (await findEmbeddedPostgres(settings.DATA_DIR));
  try {
    if (url === undefined) {
      const { version } = await locatePostgresBinaries(await findDatabaseAccount());
      return { name, state: "ok", detail: `embedded ${version}, not running now; headrace up starts it` };
    }
    const server = await askPostgres(url);
    const detail = `${settings.DATABASE_URL ? "DATABASE_URL" : "embedded"}: ${server.version}`;
    if (server.number >= OLDEST_POSTGRES) return { name, state: "ok", detail };
    return { name, state: "failed", detail, remedy: "use PostgreSQL 14 or newer" };
  } catch (error) {
    const remedy = settings.DATABASE_URL
      ? "check that the server of DATABASE_URL runs, and that its user and password are right"
      : "set DATABASE_URL to a PostgreSQL server";
    return { name, state: "failed", detail: inWords(error), remedy };
  }
};

async function askPostgres(url: string): Promise<{ version: string; number: number }> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_LIMIT_MS });
  client.on("error", () => undefined); // the query below reports it
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; number: string }>(
      "SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number",
    );
    return { version: rows[0]?.version ?? "?", number: Number(rows[0]?.number) };
  } finally {
    await client.end().catch(() => undefined); // never connected
  }
}

/** Redis, when it is used: reachable, and not allowed to drop queued work. */
export const checkRedis: Check = async (settings) => {
  const name = "Redis";
  if (!settings.REDIS_URL) {
    return { name, state: "ok", detail: "not used; queues run on PostgreSQL (REDIS_URL turns it on)" };
  }
  const redis = new Redis(settings.REDIS_URL, {
    lazyConnect: true,
    connectTimeout: CONNECT_LIMIT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on("error", () => undefined); // the calls below report it
  try {
    await redis.connect();
    const info = await redis.info();
    const read = (field: string): string => new RegExp(`^${field}:(.*)$`, "m").exec(info)?.[1]?.trim() ?? "?";
    const detail = `${read("redis_version")}, maxmemory-policy ${read("maxmemory_policy")}`;
    if (read("maxmemory_policy") === "noeviction") return { name, state: "ok", detail };
    const remedy = "set maxmemory-policy to noeviction: other policies drop locks and queued work";
    return { name, state: "failed", detail, remedy };
  } catch (error) {
    return {
      name,
      state: "failed",
      detail: inWords(error),
      remedy: "check that the server of REDIS_URL runs",
    };
  } finally {
    redis.disconnect();
  }
};

/** How isolated user code would run here: really probed, as a worker does at its start. */
export const checkSandbox: Check = async (settings) => {
  const name = "Sandbox";
  const folder = mkdtempSync(join(tmpdir(), "headrace-doctor-"));
  chmodSync(folder, 0o711); // the users that steps run as must pass through
  const workRoot = join(folder, "work");
  try {
    const { sandbox } = await createSandbox({
      requested: settings.SANDBOX,
      workRoot,
      python: settings.PYTHON,
      isProduction: settings.PRODUCTION,
    });
    await sandbox.close();
    const detail = [`level ${sandbox.level}`, ...sandbox.reasons].join("; ");
    if (sandbox.level === "none") {
      return {
        name,
        state: "missing",
        detail,
        remedy: "unset SANDBOX, so that the strongest level is taken",
      };
    }
    return { name, state: "ok", detail };
  } catch (error) {
    return { name, state: "failed", detail: inWords(error), remedy: "see docs/guides/sandbox.md" };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  return error.message || inner?.message || error.name;
}
