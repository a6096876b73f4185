import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeDatabase, type BenchPostgres } from "../bench-postgres.js";
import { environmentOf, type HeadraceOptions, openHeadrace } from "../headrace-contender.js";
import type { HeadraceDriver } from "../headrace-driver.js";
import type { BenchRedis } from "../redis-server.js";
import type { Progress } from "../rounds.js";
import { startWorkerChild, type WorkerChild } from "../worker-child.js";

/** What every topic of growth is measured with. */
export interface GrowthStage {
  readonly folder: string;
  readonly redis: BenchRedis;
  readonly postgres: BenchPostgres;
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Headrace on a database and queues of one topic's own. Its processes end with it. */
export interface Installation {
  readonly driver: HeadraceDriver;
  /** Starts a worker process. `environment` comes on top of the benchmark's settings. */
  startWorker(environment?: Readonly<Record<string, string>>): Promise<WorkerChild>;
  startApi(): Promise<WorkerChild & { readonly address: string }>;
}

/** Whom the benchmark signs in as. */
export const ADMIN = { email: "bench@localhost", password: "bench-password-of-no-worth" } as const;

/** A run of ten thousand steps on a busy machine. */
const RUN_LIMIT_MS = 300_000;

/** Opens an installation for a piece of work, and closes all of it afterwards. */
export async function withInstallation<T>(
  stage: GrowthStage,
  name: string,
  work: (installation: Installation) => Promise<T>,
): Promise<T> {
  const installation = await openInstallation(stage, name);
  try {
    return await work(installation);
  } finally {
    await installation.close();
  }
}

/** Opens an installation. The caller closes it. @param name tells it from others of the same stage. */
export async function openInstallation(
  stage: GrowthStage,
  name: string,
): Promise<Installation & { close(): Promise<void> }> {
  stage.signal.throwIfAborted();
  const database = await makeDatabase(stage.postgres.url);
  const closers: (() => Promise<void>)[] = [database.stop];
  const close = async (): Promise<void> => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  const dataDir = join(stage.folder, `growth-${name}`);
  mkdirSync(dataDir, { recursive: true });
  const options: HeadraceOptions = {
    redisUrl: stage.redis.url,
    databaseUrl: database.url,
    prefix: `growth_${name}`,
    dataDir,
    logFile: join(stage.folder, "headrace.log"),
    runLimitMs: RUN_LIMIT_MS,
  };
  const start = async (program: string, environment: Readonly<Record<string, string>>) => {
    const child = await startWorkerChild({
      program,
      environment: { ...environmentOf(options), ...ADMIN_SETTINGS, ...environment },
      logFile: options.logFile,
    });
    closers.push(child.stop);
    return child;
  };
  try {
    const driver = await openHeadrace(options);
    closers.push(driver.close);
    return {
      driver,
      startWorker: async (environment = {}) => await start("headrace-worker.js", environment),
      async startApi() {
        const api = await start("headrace-api.js", { PORT: "0" });
        return { ...api, address: api.address ?? "" };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** For all processes: whichever starts first makes the admin. */
const ADMIN_SETTINGS = { ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password };
