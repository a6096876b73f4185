import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep } from "../../src/core/plan.js";
import type { HttpRequestBuiltin } from "../../src/executors/http-request/http-request-builtin.js";
import type { Logger } from "../../src/observability/logger.js";
import type { ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";
import { ExecutionError } from "../../src/executors/types.js";
import type { AppHost, ExecutionApps } from "../apps/app-host.js";
import type { ComponentCache } from "./component-cache.js";
import type { Workdirs } from "../sandbox/workdir.js";
import { queryDatabase } from "./query-database.js";
import { collectArtifacts, type ExecutorRun } from "./run-executor.js";

/** The dependencies of running a step's target. */
export interface RunComponentDeps {
  readonly runExecutor: (run: ExecutorRun) => Promise<JsonValue>;
  readonly http: HttpRequestBuiltin;
  readonly connections: Pick<ConnectionManager, "find" | "use">;
  readonly workdirs: Workdirs;
  readonly artifacts: ArtifactStore;
  readonly getComponent: ComponentCache;
  readonly apps: AppHost;
  readonly maxOutputBytes: number;
  readonly logger: Logger;
}

/** One execution of a step's target. */
export interface ComponentRun extends Omit<ExecutorRun, "mcpVersionId" | "above" | "stepId" | "apps"> {
  readonly step: PlanStep;
  readonly versionId: string;
  readonly token: string;
}

/** What came of an execution. */
export interface ComponentResult {
  readonly output: JsonValue;
  /** The app whose values are to be the output in place of this one: the step waits for them. */
  readonly awaited?: ExecutionApps["awaited"];
}

/** Runs step targets: built-in ones here, components through their executor. */
export function createComponentRunner(deps: RunComponentDeps) {
  return async function runComponent(run: ComponentRun): Promise<ComponentResult> {
    const { step, versionId: _versionId, token: _token, ...rest } = run;
    const { target } = step;
    if (target.kind === "builtin" && target.name === "http") return { output: await requestHttp(deps, run) };
    if (target.kind === "builtin" && target.name === "sql") {
      return { output: await queryDatabase(deps.connections, run.input, run) };
    }
    if (target.kind !== "mcp") return { output: run.input };
    const { mcpVersionId } = target;
    const about = { mcpVersionId, above: [], stepId: step.id };
    if (target.mcpType !== "streamlit_app") return { output: await deps.runExecutor({ ...rest, ...about }) };
    const { input, waitForSubmit } = takeWaitForSubmit(run);
    const { outputSchema } = await deps.getComponent(mcpVersionId);
    const apps = deps.apps.for({ ...toAppExecution(run), mcpVersionId, outputSchema, waitForSubmit });
    return { output: await deps.runExecutor({ ...rest, ...about, input, apps }), awaited: apps.awaited };
  };
}

/** An input of this name is an order to the step, as the step's own field is: an app does not see it. */
function takeWaitForSubmit({ step, input: given }: ComponentRun) {
  const { waitForSubmit: wanted = false, ...input } = given;
  if (typeof wanted !== "boolean")
    throw new ExecutionError("invalid_input", "Input /waitForSubmit must be true or false");
  return { input, waitForSubmit: wanted || step.waitForSubmit === true };
}

function toAppExecution({ step, owner, versionId, token, emit, mask }: ComponentRun) {
  const name = step.target.kind === "mcp" ? step.target.name : step.id;
  return { ...owner, versionId, token, name, emit, mask, stepId: step.id };
}

/** See {@link createComponentRunner}. */
export type ComponentRunner = ReturnType<typeof createComponentRunner>;

async function requestHttp(deps: RunComponentDeps, run: ComponentRun): Promise<JsonValue> {
  const { signal, emit, secretHosts } = run;
  const limits = { maxOutputBytes: deps.maxOutputBytes };
  const workdir = await deps.workdirs.make();
  try {
    const output = await deps.http.execute(run.input, { signal, emit, workdir, limits, secretHosts });
    await collectArtifacts(deps, workdir, run);
    return output;
  } finally {
    deps.workdirs.removeSoon(workdir);
  }
}
