import type { JsonObject, JsonValue } from "../../src/core/json.js";
import {
  type ComponentDoor,
  type ExecutionContext,
  ExecutionError,
  type Executor,
  type ExecutorEmitter,
  type McpType,
  type Sandbox,
  type SecretMask,
} from "../../src/executors/types.js";
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { SafeEvaluator } from "../../src/services/evaluation-types.js";
import type { SecretValue } from "../../src/services/secrets/secret-store.js";
import type { Workdirs } from "../sandbox/workdir.js";
import type { ComponentCache } from "./component-cache.js";

/** What running components stands on. */
export interface ExecutorRunDeps {
  readonly getComponent: ComponentCache;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly evaluator: SafeEvaluator;
  readonly sandbox: Sandbox;
  readonly workdirs: Workdirs;
  readonly artifacts: ArtifactStore;
  readonly maxOutputBytes: number;
  /** The door by which this execution calls other components. */
  readonly openDoor: (run: ExecutorRun) => ComponentDoor;
}

/** One execution of a component: a step's own, or one that another component asks for. */
export interface ExecutorRun {
  readonly mcpVersionId: string;
  /** The versions that called this one, the step's own first. */
  readonly above: readonly string[];
  readonly stepId: string;
  readonly owner: ArtifactOwner;
  readonly input: JsonObject;
  readonly secrets: ReadonlyMap<string, SecretValue>;
  /** Of each secret in the input that is bound to hosts: those hosts. */
  readonly secretHosts: readonly (readonly string[])[];
  readonly emit: ExecutorEmitter;
  readonly mask: SecretMask;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
}

/** Runs components through their executors, each in a folder of its own, held to their schemas. */
export function createExecutorRunner(deps: ExecutorRunDeps) {
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

  return async function runExecutor(run: ExecutorRun): Promise<JsonValue> {
    const component = await deps.getComponent(run.mcpVersionId);
    const executor = deps.executors.get(component.type);
    if (!executor) throw new ExecutionError("internal", `This worker has no executor for ${component.type}`);
    await check("invalid_input", component.inputSchema, run.input);
    const { runId, attempt } = run.owner;
    const upcoming = { runId, stepId: run.stepId, attempt, input: run.input };
    const workdir = executor.takeWorkdir?.(component.config, upcoming) ?? (await deps.workdirs.make());
    try {
      const output = await executor.execute(component.config, run.input, toContext(deps, run, workdir));
      await collectArtifacts(deps, workdir, run);
      await check("invalid_output", component.outputSchema, output);
      return output;
    } catch (error) {
      // what a failed attempt left may be what explains it
      if (!run.signal.aborted) await collectArtifacts(deps, workdir, run);
      throw error;
    } finally {
      if (!executor.keepsWorkdir?.(workdir)) deps.workdirs.removeSoon(workdir);
    }
  };
}

function toContext(deps: ExecutorRunDeps, run: ExecutorRun, workdir: string): ExecutionContext {
  const { owner, stepId, signal, emit, mask, timeoutSeconds, mcpVersionId } = run;
  return {
    runId: owner.runId,
    stepId,
    attempt: owner.attempt,
    ...(owner.itemIndex < 0 ? {} : { itemIndex: owner.itemIndex }),
    signal,
    emit,
    sandbox: deps.sandbox,
    workdir,
    timeoutSeconds,
    mcpVersionId,
    ...toSecretsInContext(run.secrets, run.secretHosts),
    mask,
    components: deps.openDoor(run),
    artifacts: {
      save: async (content, bytes) =>
        await deps.artifacts.saveBytes(owner, { kind: "file", ...content }, bytes),
    },
    limits: { maxOutputBytes: deps.maxOutputBytes },
  };
}

/** The secrets as executors see them. */
export function toSecretsInContext(
  secrets: ReadonlyMap<string, SecretValue>,
  inputs: readonly (readonly string[])[],
): Pick<ExecutionContext, "secrets" | "secretHosts"> {
  const entries = [...secrets];
  const bound = entries.flatMap(([name, { hosts }]) => (hosts ? [[name, hosts] as const] : []));
  return {
    secrets: Object.fromEntries(entries.map(([name, { value }]) => [name, value])),
    secretHosts: { inputs, named: Object.fromEntries(bound) },
  };
}

/** What an execution has left in its folder becomes artifacts. */
export async function collectArtifacts(
  deps: Pick<ExecutorRunDeps, "artifacts">,
  workdir: string,
  run: Pick<ExecutorRun, "owner" | "emit">,
): Promise<void> {
  const { refusals } = await deps.artifacts.collect(workdir, run.owner, AbortSignal.timeout(60_000));
  for (const refusal of refusals) run.emit.log("system", refusal);
}
