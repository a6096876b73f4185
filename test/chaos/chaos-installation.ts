import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/lifecycle/embedded-postgres.js";
import { readPostgresRecord } from "../../src/lifecycle/postgres-record.js";
import { headrace } from "../support/headrace-up.js";
import { findFreePort } from "../support/find-free-port.js";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import type { Backend } from "./chaos-options.js";
import { KeptRole } from "./kept-role.js";

const WORKERS = 3;
const ADMIN = { email: "admin@example.test", password: randomBytes(12).toString("hex") };

/** An installation of the suite's own: real servers, and the processes of the built program. */
export interface ChaosInstallation {
  readonly folder: string;
  readonly address: string;
  readonly admin: typeof ADMIN;
  readonly api: KeptRole;
  readonly scheduler: KeptRole;
  readonly workers: readonly KeptRole[];
  readonly redis: OwnRedis | undefined;
  /** Asks PostgreSQL; again and again while it is away. */
  query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Every connection to Redis that is open now falls silent without an end; new ones work. */
  silenceRedis(): void;
  /** Ends PostgreSQL as a power cut does (`-m immediate`), and starts it again. */
  restartPostgres(downMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens it. `witnessPort`: where steps may go although it is loopback. */
export async function openChaosInstallation(
  backend: Backend,
  witnessPort: number,
  folder: string,
): Promise<ChaosInstallation> {
  if (backend === "redis" && spawnSync("redis-server", ["--version"]).status !== 0)
    throw new Error("--backend redis needs a redis-server: apt-get install redis-server");
  const quiet = { info: () => undefined, warn: () => undefined };
  const dataDir = join(folder, "data");
  const databaseDir = join(folder, "database");
  for (const path of [dataDir, databaseDir]) mkdirSync(path);
  chmodSync(databaseDir, 0o711);
  let postgres = await startEmbeddedPostgres({ dataDir: databaseDir, logger: quiet });
  const redis = backend === "redis" ? await startOwnRedis(["--maxmemory-policy", "noeviction"]) : undefined;
  const line = redis ? await startTcpProxy(Number(new URL(redis.url).port)) : undefined;
  const redisUrl = line && `redis://127.0.0.1:${line.port}`;
  const environment = makeEnvironment(postgres, redisUrl, dataDir, await findFreePort(), witnessPort);
  const migrated = await headrace(["migrate"], environment);
  if (migrated.code !== 0) throw new Error(`headrace migrate: ${migrated.stderr}`);
  const pool = new pg.Pool({ connectionString: postgres.url, max: 4, connectionTimeoutMillis: 5000 });
  pool.on("error", () => undefined);
  const api = new KeptRole("api", "api", environment);
  const scheduler = new KeptRole("scheduler", "scheduler", environment);
  const workers = Array.from(
    { length: WORKERS },
    (_, at) => new KeptRole(`worker ${at + 1}`, "worker", environment, ["--concurrency", "8"]),
  );
  const roles = [api, scheduler, ...workers];
  await Promise.all(roles.map((role) => role.start()));
  return {
    folder,
    address: `http://127.0.0.1:${environment["PORT"]}`,
    admin: ADMIN,
    api,
    scheduler,
    workers,
    redis,
    query: async (text, values = []) => await queryAgain(pool, text, values),
    silenceRedis: () => line?.freezeOpen(),
    async restartPostgres(downMs) {
      const { pid } = readPostgresRecord(databaseDir) ?? {};
      if (pid !== undefined) process.kill(pid, "SIGQUIT");
      await postgres.ended;
      await new Promise((resolve) => setTimeout(resolve, downMs));
      postgres = await startEmbeddedPostgres({ dataDir: databaseDir, logger: quiet });
    },
    async close() {
      await Promise.all(roles.map((role) => role.end()));
      await pool.end();
      await line?.close();
      await redis?.stop();
      await postgres.stop();
    },
  };
}

/** A folder that PostgreSQL's own user and those of steps may enter. */
export function makeChaosFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "headrace-chaos-"));
  chmodSync(path, 0o711);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function makeEnvironment(
  postgres: EmbeddedPostgres,
  redisUrl: string | undefined,
  dataDir: string,
  port: number,
  witnessPort: number,
): Record<string, string> {
  return {
    DATABASE_URL: postgres.url,
    ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    DATA_DIR: dataDir,
    PORT: String(port),
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    LOG_LEVEL: "error",
    DRAIN_SECONDS: "5",
    // scripts append to a file outside of their folder
    SANDBOX: "process",
    ALLOWED_HOSTS_PRIVATE: `127.0.0.1:${witnessPort}`,
  };
}

const QUERY_LIMIT_MS = 60_000;

async function queryAgain<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  for (const deadline = Date.now() + QUERY_LIMIT_MS; ; ) {
    try {
      return (await pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      const { code = "" } = error as { code?: string };
      // what is wrong with the query itself stays wrong
      if (/^(22|42)/.test(code) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
