import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Knex } from "knex";
import { loadSettings } from "../../src/config/load-settings.js";
import { prepareInstallation } from "../../src/lifecycle/prepare-installation.js";
import { openDatabase } from "../../src/models/database.js";
import { type OwnPostgres, startOwnPostgres } from "./own-postgres.js";
import { type OwnRedis, startOwnRedis } from "./own-redis.js";
import { prepareWith } from "./previous-program.js";
import { redisServer } from "./requirements.js";
import { type RoleOptions, type RoleProcess, spawnRole } from "./spawn-role.js";
import { startWitness, type Witness } from "./witness.js";

/** What an API has answered. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly tookMs: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: Record<string, never> & { [name: string]: unknown };
}

/** An installation of the built program on servers of its own, every part of which may be taken away. */
export interface FaultWorld {
  readonly postgres: OwnPostgres;
  /** Undefined when the queues are on PostgreSQL. */
  readonly redis: OwnRedis | undefined;
  readonly witness: Witness;
  readonly dataDir: string;
  /** An admin's API key. */
  readonly token: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly knex: Knex;
  spawn(
    role: "api" | "worker" | "scheduler",
    more?: Readonly<Record<string, string>>,
    options?: RoleOptions,
  ): Promise<RoleProcess>;
  /** Calls an API. Rejects when there is no answer. */
  call(address: string, method: string, path: string, body?: unknown, headers?: object): Promise<Answer>;
  /** Registers a workflow over an API. @throws unless it is made. */
  addWorkflow(address: string, name: string, steps: readonly object[]): Promise<void>;
  /** A step of a workflow that calls the witness. */
  calling(id: string, dependsOn?: readonly string[]): object;
  /** How many runs have which status. */
  statuses(): Promise<Record<string, number>>;
  /** Kills what it started, and removes everything. */
  close(): Promise<void>;
}

/** The backends of queues; Redis only where there is one. */
export const FAULT_BACKENDS = [
  { name: "PostgreSQL", hasRedis: false },
  ...(redisServer.isMet ? [{ name: "Redis", hasRedis: true }] : []),
];

/** Opens a world. `redis` are options of its Redis server. */
export async function openFaultWorld(options: {
  hasRedis: boolean;
  redis?: readonly string[];
  settings?: Readonly<Record<string, string>>;
  /** The folder of the built program that prepares the installation. Default: this checkout. */
  program?: string;
}): Promise<FaultWorld> {
  const postgres = await startOwnPostgres();
  const redis = options.hasRedis ? await startOwnRedis(options.redis) : undefined;
  const witness = await startWitness();
  const dataDir = mkdtempSync(join(tmpdir(), "headrace-fault-"));
  chmodSync(dataDir, 0o711);
  const environment: Record<string, string> = {
    DATABASE_URL: postgres.url,
    DATA_DIR: dataDir,
    PORT: "0",
    WORKER_CONCURRENCY: "4",
    LOG_LEVEL: "warn",
    ...witness.environment,
    ...(redis ? { REDIS_URL: redis.url } : {}),
    ...options.settings,
  };
  const tokenFile = join(dataDir, "token");
  if (options.program) prepareWith(options.program, environment, tokenFile);
  else
    await prepareInstallation(
      { ...loadSettings({ environment }), DATABASE_URL: postgres.url },
      { tokenFile },
    );
  const token = readFileSync(tokenFile, "utf8").trim();
  const knex = openDatabase({ url: postgres.url, poolSize: 4, applicationName: "headrace-test" });
  const processes: RoleProcess[] = [];
  const call = createCaller(token);
  return {
    postgres,
    redis,
    witness,
    dataDir,
    token,
    environment,
    knex,
    async spawn(role, more = {}, roleOptions = {}) {
      const started = await spawnRole(role, { ...environment, ...more }, roleOptions);
      processes.push(started);
      return started;
    },
    call,
    async addWorkflow(address, name, steps) {
      const made = await call(address, "POST", "/api/v1/workflow-definitions", {
        name,
        definition: { steps },
      });
      if (made.status !== 201) throw new Error(JSON.stringify(made));
    },
    calling: (id, dependsOn = []) => ({
      id,
      uses: "builtin:http",
      dependsOn,
      inputs: {
        method: { value: "POST" },
        url: { expression: `"http://${environment["ALLOWED_HOSTS_PRIVATE"]}/" & run.id & "/${id}"` },
      },
    }),
    async statuses() {
      const rows = await knex("workflow_runs").select("status").count("* as n").groupBy("status");
      return Object.fromEntries(rows.map((row) => [row["status"] as string, Number(row["n"])]));
    },
    async close() {
      if (process.env["FAULT_SHOW"]) {
        for (const one of processes) process.stderr.write(one.output());
        const steps = await knex("step_runs").select("status", "attempt", "checked_at").limit(60);
        process.stderr.write(`${JSON.stringify([...steps, await knex("workers")])}\n`);
      }
      await Promise.all(processes.map((one) => one.kill()));
      await knex.destroy();
      await witness.close();
      await redis?.stop();
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function createCaller(token: string): FaultWorld["call"] {
  return async (address, method, path, body, headers = {}) => {
    const startedAt = performance.now();
    const response = await fetch(`${address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    const isJson = /json/.test(type);
    return {
      status: response.status,
      type,
      tookMs: performance.now() - startedAt,
      body: (isJson ? JSON.parse(text) : { text }) as Answer["body"],
    };
  };
}

/** The value below which this part of the numbers lies. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0;
}

/** Notes what a fault's procedure has measured, for people and for docs/faults.md. */
export function recordFigures(fault: string, backend: string, figures: string): void {
  process.stderr.write(`${fault} on ${backend}: ${figures}\n`);
  const file = process.env["FAULT_FIGURES_FILE"];
  if (file) appendFileSync(file, `${JSON.stringify({ fault, backend, figures })}\n`);
}
