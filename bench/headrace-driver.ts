import { randomBytes } from "node:crypto";
import type { Knex } from "knex";
import { pino } from "pino";
import type { Settings } from "../src/config/settings-schema.js";
import { openPlatform } from "../src/container.js";
import { systemActor } from "../src/core/actor.js";
import type { JsonValue } from "../src/core/json.js";
import { createLogger } from "../src/observability/logger.js";
import { createRunCommands } from "../src/services/engine/run-commands.js";
import { createMcpRegistry } from "../src/services/mcp-registry/mcp-registry.js";
import { createRunQueries } from "../src/services/runs/run-queries.js";
import { createWorkflowDefinitions } from "../src/services/workflow-definitions/workflow-definitions.js";
import { publishBenchWorkflow } from "./bench-workflow.js";
import { watchRunEndings } from "./run-endings.js";
import { publishScriptWorkflow, type ScriptKind } from "./script-steps.js";
import type { Shape } from "./workloads.js";

/** Headrace's own calls, made by this process as the API's handlers make them. */
export interface HeadraceDriver {
  readonly knex: Knex;
  readonly queries: ReturnType<typeof createRunQueries>;
  /** See `Contender.run`. */
  run(shape: Shape): Promise<void>;
  runScripts(kind: ScriptKind): Promise<void>;
  /** Publishes a workflow under a name of its own. @returns the name. */
  publish(steps: readonly JsonValue[]): Promise<string>;
  /** Starts a run. @returns its id, once the run is durable. */
  start(workflow: string, input?: JsonValue): Promise<string>;
  /** Resolves when the run has succeeded. @throws Error when it ended otherwise, or not within the limit. */
  untilEnded(runId: string): Promise<void>;
  close(): Promise<void>;
}

/** Opens the platform in this process. */
export async function openHeadraceDriver(options: {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly logFile: string;
  readonly runLimitMs: number;
  readonly isClaimed: boolean;
}): Promise<HeadraceDriver> {
  const { settings, databaseUrl } = options;
  const logger = createLogger({
    level: "warn",
    name: "bench",
    destination: pino.destination({ dest: options.logFile, sync: true }),
  });
  const platform = await openPlatform({ settings, databaseUrl, logger, role: "bench" });
  const { knex, pubSub } = platform;
  const endings = await watchRunEndings({ knex, pubSub, limitMs: options.runLimitMs });
  const workflows = createWorkflowDefinitions({ ...platform, maxSteps: settings.MAX_STEPS });
  const commands = createRunCommands({ ...platform, versions: workflows });
  const by = { actor: systemActor("bench"), origin: { requestId: "bench", address: null } };
  const registry = createMcpRegistry(platform);
  const names = new Map<string, Promise<string>>();
  const start = async (workflow: string, input: JsonValue = {}): Promise<string> =>
    (await commands.start({ workflow, input, trigger: "api" }, by.actor, by.origin)).runId;
  const runOnce = async (key: string, publish: () => Promise<string>): Promise<void> => {
    const name = names.get(key) ?? publish();
    names.set(key, name);
    await endings.wait(await start(await name));
  };
  return {
    knex,
    queries: createRunQueries({ knex, plans: platform.engine.plans, artifacts: platform.artifacts }),
    run: (shape) =>
      runOnce(JSON.stringify(shape), () =>
        publishBenchWorkflow(workflows, { shape, isClaimed: options.isClaimed }, by),
      ),
    runScripts: (kind) => runOnce(kind, () => publishScriptWorkflow({ registry, workflows }, kind, by)),
    async publish(steps) {
      const name = `bench-${randomBytes(5).toString("hex")}`;
      await workflows.create({ name, definition: { steps } }, by);
      return name;
    },
    start,
    untilEnded: endings.wait,
    async close() {
      await endings.close();
      await platform.close();
    },
  };
}
