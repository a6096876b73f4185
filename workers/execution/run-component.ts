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
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { SafeEvaluator } from "../../src/services/evaluation-types.js";
import type { AppHost } from "../apps/app-host.js";
import type { AppExecution } from "../apps/live-app.js";
import type { Workdirs } from "../sandbox/workdir.js";
import type { Component, ComponentCache } from "./component-cache.js";
import type { SecretMask } from "./secret-mask.js";

/** The dependencies of running a component. */
export interface RunComponentDeps {
  readonly getComponent: ComponentCache;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly http: HttpRequestBuiltin;
  readonly evaluator: SafeEvaluator;
  readonly sandbox: Sandbox;
  readonly workdirs: Workdirs;
  readonly artifacts: ArtifactStore;
  readonly apps: AppHost;
  readonly maxOutputBytes: number;
}

/** One execution of a step's target. */
export interface ComponentRun {
  readonly step: PlanStep;
  readonly owner: ArtifactOwner;
  readonly versionId: string;
  readonly token: string;
  readonly mask: SecretMask;
  readonly input: JsonObject;
  readonly secrets: Readonly<Record<string, string>>;
  /** Of each secret in the input that is bound to hosts: those hosts. */
  readonly secretHosts: readonly (readonly string[])[];
  readonly emit: ExecutorEmitter;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
}

/** What came of an execution. */
export interface ComponentResult {
  readonly output: JsonValue;
  /** The app whose values are to be the output in place of this one: the step waits for them. */
  readonly awaited?: { readonly appId: string; readonly url: string } | undefined;
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

  return async function runComponent(given: ComponentRun): Promise<ComponentResult> {
    const { step, owner, signal } = given;
    if (step.target.kind === "builtin" && step.target.name === "http")
      return { output: await requestHttp(deps, given) };
    if (step.target.kind !== "mcp") return { output: given.input };
    const component = await deps.getComponent(step.target.mcpVersionId);
    const { run, waitForSubmit } = takeWaitForSubmit(given, component);
    const apps = deps.apps.for(toAppExecution(run, component, waitForSubmit));
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
        apps,
        limits: { maxOutputBytes: deps.maxOutputBytes },
      });
      await collect(deps, workdir, run);
      if (!executor.hasSubmittedOutput) await check("invalid_output", component.outputSchema, output);
      return { output, awaited: apps.awaited };
    } catch (error) {
      // what a failed attempt left may be what explains it
      if (!signal.aborted) await collect(deps, workdir, run);
      throw error;
    } finally {
      await deps.workdirs.remove(workdir);
    }
  };
}

/** See {@link createComponentRunner}. */
export type ComponentRunner = ReturnType<typeof createComponentRunner>;

/** An input of this name is an order to the step, as the step's own field is: an app does not see it. */
function takeWaitForSubmit(
  run: ComponentRun,
  { type }: Component,
): { readonly run: ComponentRun; readonly waitForSubmit: boolean } {
  if (type !== "streamlit_app") return { run, waitForSubmit: false };
  const { waitForSubmit: wanted = false, ...input } = run.input;
  if (typeof wanted !== "boolean")
    throw new ExecutionError("invalid_input", "Input /waitForSubmit must be true or false");
  return { run: { ...run, input }, waitForSubmit: wanted || run.step.waitForSubmit === true };
}

function toAppExecution(
  run: ComponentRun,
  { outputSchema }: Component,
  waitForSubmit: boolean,
): AppExecution {
  const { step, owner, versionId, token, emit, mask } = run;
  const { name = step.id, mcpVersionId = "" } = step.target.kind === "mcp" ? step.target : {};
  return {
    ...owner,
    ...{ versionId, token, name, mcpVersionId, outputSchema, waitForSubmit, emit, mask },
    stepId: step.id,
  };
}

/** What an execution has left in its folder becomes artifacts. */
async function collect(deps: RunComponentDeps, workdir: string, run: ComponentRun): Promise<void> {
  const { refusals } = await deps.artifacts.collect(workdir, run.owner, AbortSignal.timeout(60_000));
  for (const refusal of refusals) run.emit.log("system", refusal);
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
