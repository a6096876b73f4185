import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep } from "../../src/core/plan.js";
import type { HttpRequestBuiltin } from "../../src/executors/http-request/http-request-builtin.js";
import type { ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";
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
  readonly maxOutputBytes: number;
}

/** One execution of a step's target. */
export interface ComponentRun extends Omit<ExecutorRun, "mcpVersionId" | "above" | "stepId"> {
  readonly step: PlanStep;
}

/** Runs step targets: built-in ones here, components through their executor. */
export function createComponentRunner(deps: RunComponentDeps) {
  return async function runComponent(run: ComponentRun): Promise<JsonValue> {
    const { step, ...rest } = run;
    const { target } = step;
    if (target.kind === "builtin" && target.name === "http") return await requestHttp(deps, run);
    if (target.kind === "builtin" && target.name === "sql") {
      return await queryDatabase(deps.connections, run.input, run);
    }
    if (target.kind !== "mcp") return run.input;
    const { mcpVersionId } = target;
    return await deps.runExecutor({ ...rest, mcpVersionId, above: [], stepId: step.id });
  };
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
