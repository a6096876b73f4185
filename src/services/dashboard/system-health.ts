import type { Knex } from "knex";
import type { Settings } from "../../config/settings-schema.js";
import type { ComponentHealth, SystemHealth } from "../../contracts/api/dashboard.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { RunQueue } from "../../queues/run-queue.js";
import type { Readiness } from "../health/readiness.js";
import { toImplicitProvider } from "../llm-providers/find-provider.js";

/** What system health looks at. */
export interface SystemHealthDeps {
  readonly knex: Knex;
  readonly runQueue: Pick<RunQueue, "countJobs">;
  readonly logger: Logger;
  /** The checks behind `/health/ready`: PostgreSQL, Redis and what else this process needs. */
  readonly readiness: () => Promise<Readiness>;
  /** May name a provider of language models while none is stored. */
  readonly settings?: Pick<Settings, "OPENAI_API_KEY" | "OPENAI_BASE_URL">;
}

interface WorkerRow {
  readonly id: string;
  readonly hostname: string;
  readonly pid: number;
  readonly groups: string[];
  readonly concurrency: number;
  readonly running: number;
  readonly sandbox_level: string;
  readonly sandbox_reasons: string[];
  readonly version: string;
  readonly started_at: Date;
  readonly last_seen_at: Date;
}

/** Strongest first. */
const SANDBOX_LEVELS = ["namespace", "landlock", "process", "none"];
const MOST_WORKERS = 500;
const MOST_PROVIDERS = 10;

/** How each part of the installation does, in words that an operator can act on. */
export async function readSystemHealth(deps: SystemHealthDeps): Promise<SystemHealth> {
  const [readiness, workers, hasScheduler, queues, providers] = await Promise.all([
    deps.readiness(),
    orUndefined(deps, "workers", readWorkers(deps.knex)),
    orUndefined(deps, "scheduler", readScheduler(deps.knex)),
    orUndefined(deps, "queues", deps.runQueue.countJobs()),
    orUndefined(deps, "providers", readProviders(deps)),
  ]);
  const sandbox = judgeSandbox(workers ?? []);
  const components: ComponentHealth[] = [
    ...readiness.checks.map(
      ({ name, ok, latencyMs }): ComponentHealth => ({ name, status: ok ? "ok" : "down", latencyMs }),
    ),
    queues
      ? { name: "queues", status: "ok", detail: `${queues.length} queues` }
      : { name: "queues", status: "down", detail: "the queue is out of reach" },
    judgeWorkers(workers),
    judgeScheduler(hasScheduler),
    sandbox.component,
    judgeProviders(providers),
  ];
  return {
    status: worstOf(components),
    components,
    sandbox: { level: sandbox.level, reasons: sandbox.reasons },
    workers: (workers ?? []).map(presentWorker),
  };
}

async function readWorkers(knex: Knex): Promise<WorkerRow[]> {
  return (await knex("workers")
    .select("*")
    .whereRaw("lease_until > now()")
    .orderBy("id")
    .limit(MOST_WORKERS)) as WorkerRow[];
}

async function readScheduler(knex: Knex): Promise<boolean> {
  return (await knex("leaders").first("name").whereRaw("expires_at > now()")) !== undefined;
}

async function readProviders({ knex, settings }: SystemHealthDeps): Promise<string[]> {
  const stored: string[] = await knex("llm_providers").orderBy("name").limit(MOST_PROVIDERS).pluck("name");
  const implicit = settings && toImplicitProvider(settings);
  return stored.length === 0 && implicit ? [implicit.name] : stored;
}

/** Configured is all that is known: nobody is called to find out. */
function judgeProviders(names: readonly string[] | undefined): ComponentHealth {
  if (!names) return { name: "providers", status: "down", detail: "unknown: the database is out of reach" };
  if (names.length === 0)
    return { name: "providers", status: "unused", detail: "no LLM provider is configured" };
  return { name: "providers", status: "ok", detail: `configured: ${names.join(", ")}` };
}

/** One part that cannot be read must not hide the others. */
async function orUndefined<Value>(
  deps: SystemHealthDeps,
  what: string,
  reading: Promise<Value>,
): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    deps.logger.warn({ err: toError(error), what }, "system health could not be read");
    return undefined;
  }
}

function judgeWorkers(workers: readonly WorkerRow[] | undefined): ComponentHealth {
  if (!workers) return { name: "workers", status: "down", detail: "unknown: the database is out of reach" };
  if (workers.length === 0) {
    return { name: "workers", status: "down", detail: "no worker lives: start one with `headrace worker`" };
  }
  const slots = workers.reduce((sum, worker) => sum + worker.concurrency, 0);
  const running = workers.reduce((sum, worker) => sum + worker.running, 0);
  return {
    name: "workers",
    status: "ok",
    detail: `${workers.length} live, ${running} of ${slots} slots taken`,
  };
}

function judgeScheduler(hasScheduler: boolean | undefined): ComponentHealth {
  if (hasScheduler) return { name: "scheduler", status: "ok" };
  const detail =
    "nobody keeps house: start `headrace scheduler`; runs whose worker died are not returned until then";
  return { name: "scheduler", status: hasScheduler === undefined ? "down" : "degraded", detail };
}

function judgeSandbox(workers: readonly WorkerRow[]) {
  const [weakest] = [...workers].sort(
    (one, other) => SANDBOX_LEVELS.indexOf(other.sandbox_level) - SANDBOX_LEVELS.indexOf(one.sandbox_level),
  );
  const level = weakest?.sandbox_level ?? null;
  const reasons = weakest?.sandbox_reasons ?? [];
  const isStrong = level === "namespace" || level === "landlock";
  const status = level === null ? "unused" : isStrong ? "ok" : "degraded";
  const detail = level === null ? "no worker lives" : [`level ${level}`, ...reasons].join("; ");
  return { level, reasons, component: { name: "sandbox", status, detail } as ComponentHealth };
}

function worstOf(components: readonly ComponentHealth[]): SystemHealth["status"] {
  const statuses = components.map((component) => component.status);
  if (statuses.includes("down")) return "down";
  return statuses.includes("degraded") ? "degraded" : "ok";
}

function presentWorker(row: WorkerRow): SystemHealth["workers"][number] {
  return {
    id: row.id,
    hostname: row.hostname,
    pid: row.pid,
    groups: row.groups,
    concurrency: row.concurrency,
    running: row.running,
    sandboxLevel: row.sandbox_level,
    version: row.version,
    startedAt: row.started_at.toISOString(),
    lastSeenAt: row.last_seen_at.toISOString(),
  };
}
