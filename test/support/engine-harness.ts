import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "../../src/config/load-settings.js";
import { openPlatform, type Platform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import type { JsonValue } from "../../src/core/json.js";
import type { RunPlan } from "../../src/core/plan.js";
import { isRunTerminal, type RunError, type RunStatus } from "../../src/core/statuses.js";
import { createLogger } from "../../src/observability/logger.js";
import { startWorker, type Worker } from "../../workers/worker.js";
import { createTestDatabase, type TestDatabase } from "./test-database.js";

/** The backends that every engine test runs on; `isMet` says whether this machine has the server. */
export const BACKENDS = [
  { name: "PostgreSQL", redisUrl: undefined },
  ...(process.env["TEST_REDIS_URL"] ? [{ name: "Redis", redisUrl: process.env["TEST_REDIS_URL"] }] : []),
];

/** A run as tests look at it. */
export interface RunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly output: JsonValue;
  readonly error: RunError | null;
  readonly step_states: string;
  readonly last_seq: number;
}

/** One event row. */
export interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly step_id: string | null;
  readonly attempt: number | null;
  readonly data: { readonly [key: string]: unknown };
}

/** An engine on real servers, with workers in this process or in others. */
export interface EngineHarness {
  readonly platform: Platform;
  readonly database: TestDatabase;
  readonly dataDir: string;
  /** Settings for child processes. */
  readonly environment: Record<string, string>;
  startWorker(groups?: readonly string[], concurrency?: number): Promise<Worker>;
  /** Stores a plan as a workflow version; returns its id. */
  saveVersion(plan: RunPlan, name?: string): Promise<string>;
  startRun(versionId: string, input?: JsonValue, delayMs?: number): Promise<string>;
  waitForEnd(runId: string, timeoutMs?: number): Promise<RunRow>;
  events(runId: string): Promise<EventRow[]>;
  close(): Promise<void>;
}

/** Opens a harness on one backend. */
export async function openEngineHarness(redisUrl: string | undefined): Promise<EngineHarness> {
  const database = await createTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), "headrace-test-"));
  const environment: Record<string, string> = {
    DATABASE_URL: database.url,
    DATA_DIR: dataDir,
    QUEUE_PREFIX: database.prefix,
    LOG_LEVEL: process.env["TEST_LOG_LEVEL"] ?? "error",
    ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
  };
  const settings = loadSettings({ environment });
  const logger = createLogger({ level: settings.LOG_LEVEL, name: "test" });
  const platform = await openPlatform({ settings, databaseUrl: database.url, logger, role: "test" });
  const { knex, engine } = platform;
  const workers: Worker[] = [];

  async function waitForEnd(runId: string, timeoutMs = 20_000): Promise<RunRow> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const run: RunRow | undefined = await knex("workflow_runs").where("id", runId).first();
      if (run && isRunTerminal(run.status)) return run;
      if (Date.now() > deadline)
        throw new Error(`run ${runId} has not ended: ${run?.status} ${run?.step_states}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  return {
    platform,
    database,
    dataDir,
    environment,
    async startWorker(groups = ["default"], concurrency = 8) {
      const worker = await startWorker(platform, { groups, concurrency, version: "test" });
      workers.push(worker);
      return worker;
    },
    async saveVersion(plan, name = "test") {
      const id = newId();
      await knex("workflow_versions").insert({
        id,
        name,
        version: 1,
        definition: "{}",
        plan: JSON.stringify(plan),
      });
      return id;
    },
    async startRun(versionId, input = {}, delayMs = 0) {
      const id = newId();
      await engine.commit.create({
        id,
        workflowId: null,
        versionId,
        workflowName: "test",
        workflowVersion: 1,
        trigger: "api",
        input,
        labels: {},
        priority: 0,
        delayMs,
        createdBy: null,
        createdByName: "test",
      });
      return id;
    },
    waitForEnd,
    async events(runId) {
      return await knex("run_events").where("run_id", runId).orderBy("seq");
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close(0)));
      await platform.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Saves a script component and returns a plan's target for it. */
export async function saveScript(
  platform: Platform,
  mcpType: "python_script" | "typescript_script",
  code: string,
  more: { config?: object; inputSchema?: object; outputSchema?: object; secrets?: string[] } = {},
) {
  const definitionId = newId();
  const mcpVersionId = newId();
  const name = `script-${definitionId.slice(-12)}`;
  await platform.knex("mcp_definitions").insert({ id: definitionId, name, mcp_type: mcpType });
  await platform.knex("mcp_versions").insert({
    id: mcpVersionId,
    mcp_definition_id: definitionId,
    version: "1.0.0",
    version_order: "1",
    config: JSON.stringify({
      type: mcpType,
      code,
      timeoutSeconds: 60,
      memoryMb: 512,
      network: true,
      env: {},
      ...more.config,
    }),
    input_schema: more.inputSchema ? JSON.stringify(more.inputSchema) : null,
    output_schema: more.outputSchema ? JSON.stringify(more.outputSchema) : null,
    secrets: more.secrets ?? [],
  });
  return { kind: "mcp", mcpVersionId, name, version: "1.0.0", mcpType } as const;
}

/** Resolves once a condition holds. @throws when it does not within `timeoutMs`. */
export async function waitUntil(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("condition not met in time");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
