import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { PlanStep } from "../../src/core/plan.js";
import type { HttpRequestBuiltin } from "../../src/executors/http-request/http-request-builtin.js";
import {
  type Executor,
  ExecutionError,
  type ExecutorEmitter,
  type McpType,
  type Sandbox,
} from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import { codeOf } from "../../src/errors/is-unreachable.js";
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { SafeEvaluator } from "../../src/services/evaluation-types.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";
import { retryWhileAway } from "./retry-while-away.js";
import type { Workdirs } from "../sandbox/workdir.js";
import type { ComponentCache } from "./component-cache.js";
import { queryDatabase } from "./query-database.js";

/** The dependencies of running a component. */
export interface RunComponentDeps {
  readonly getComponent: ComponentCache;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly http: HttpRequestBuiltin;
  readonly connections: Pick<ConnectionManager, "find" | "use">;
  readonly evaluator: SafeEvaluator;
  readonly sandbox: Sandbox;
  readonly workdirs: Workdirs;
  readonly artifacts: ArtifactStore;
  readonly maxOutputBytes: number;
  readonly logger: Logger;
}

/** One execution of a step's target. */
export interface ComponentRun {
  readonly step: PlanStep;
  readonly owner: ArtifactOwner;
  readonly input: JsonObject;
  readonly secrets: Readonly<Record<string, string>>;
  /** Of each secret in the input that is bound to hosts: those hosts. */
  readonly secretHosts: readonly (readonly string[])[];
  readonly emit: ExecutorEmitter;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
}

/** Runs step targets: built-in ones here, components through their executor in a folder of their own. */
export function createComponentRunner(deps: RunComponentDeps) {
  async function check(
    code: "invalid_input" | "invalid_output",
    schema: JsonValue | null,
    value: JsonValue,
  ): Promise<void> {
    if (schema === null) return;
    const faults = await deps.evaluator.validate(schema, value);
    const errors = faults.map(({ path, message }) => ({ path, message }));
    const [first] = errors;
    if (!first) return;
    const what = code === "invalid_input" ? "Input" : "Output";
    throw new ExecutionError(code, `${what} ${first.path || "/"} ${first.message}`, { details: { errors } });
  }

  return async function runComponent(run: ComponentRun): Promise<JsonValue> {
    const { step, owner, signal } = run;
    if (step.target.kind === "builtin" && step.target.name === "http") return await requestHttp(deps, run);
    if (step.target.kind === "builtin" && step.target.name === "sql") {
      return await queryDatabase(deps.connections, run.input, run);
    }
    if (step.target.kind !== "mcp") return run.input;
    const component = await deps.getComponent(step.target.mcpVersionId);
    const executor = deps.executors.get(component.type);
    if (!executor) throw new ExecutionError("internal", `This worker has no executor for ${component.type}`);
    await check("invalid_input", component.inputSchema, run.input);
    const workdir = executor.takeWorkdir?.(component.config) ?? (await deps.workdirs.make());
    try {
      const output = await executor.execute(component.config, run.input, {
        runId: owner.runId,
        stepId: step.id,
        attempt: owner.attempt,
        signal,
        emit: run.emit,
        sandbox: deps.sandbox,
        workdir,
        timeoutSeconds: run.timeoutSeconds,
        secrets: run.secrets,
        artifacts: {
          save: async (content, bytes) =>
            await deps.artifacts.saveBytes(owner, { kind: "file", ...content }, bytes),
        },
        limits: { maxOutputBytes: deps.maxOutputBytes },
      });
      await collect(deps, workdir, run);
      await check("invalid_output", component.outputSchema, output);
      return output;
    } catch (error) {
      // what a failed attempt left may be what explains it
      if (!signal.aborted) await collect(deps, workdir, run).catch((fault: unknown) => onLeft(fault, run));
      throw error;
    } finally {
      await deps.workdirs.remove(workdir);
    }
  };
}

/** See {@link createComponentRunner}. */
export type ComponentRunner = ReturnType<typeof createComponentRunner>;

/** What an execution has left in its folder becomes artifacts. */
async function collect(deps: RunComponentDeps, workdir: string, run: ComponentRun): Promise<void> {
  const { logger, artifacts } = deps;
  const { runId } = run.owner;
  const { refusals } = await retryWhileAway({ logger, runId, what: "artifacts", signal: run.signal }, () =>
    artifacts.collect(workdir, run.owner, AbortSignal.timeout(60_000)),
  );
  for (const refusal of refusals) run.emit.log("system", refusal);
}

/** The fault that ended the step is the one to tell of. */
function onLeft(fault: unknown, { emit }: ComponentRun): void {
  emit.log("system", `artifacts not kept: ${codeOf(fault) || "the worker's log has the reason"}`);
}

async function requestHttp(deps: RunComponentDeps, run: ComponentRun): Promise<JsonValue> {
  const { signal, emit, secretHosts } = run;
  const limits = { maxOutputBytes: deps.maxOutputBytes };
  const workdir = await deps.workdirs.make();
  try {
    const output = await deps.http.execute(run.input, { signal, emit, workdir, limits, secretHosts });
    await collect(deps, workdir, run);
    return output;
  } finally {
    await deps.workdirs.remove(workdir);
  }
}
