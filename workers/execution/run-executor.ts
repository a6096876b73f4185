import type { JsonObject, JsonValue } from "../../src/core/json.js";
import {
  type AppStarter,
  type ComponentDoor,
  type ExecutionContext,
  ExecutionError,
  type Executor,
  type ExecutorEmitter,
  type McpType,
  type Sandbox,
  type SecretMask,
} from "../../src/executors/types.js";
import { codeOf } from "../../src/errors/is-unreachable.js";
import type { Logger } from "../../src/observability/logger.js";
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { SafeEvaluator } from "../../src/services/evaluation-types.js";
import type { SecretValue } from "../../src/services/secrets/secret-store.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";
import { type OfferedConnections, offerConnections } from "../connections/offer-connections.js";
import type { Workdirs } from "../sandbox/workdir.js";
import type { ComponentCache } from "./component-cache.js";
import { retryWhileAway } from "./retry-while-away.js";

/** What running components stands on. */
export interface ExecutorRunDeps {
  readonly getComponent: ComponentCache;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly evaluator: SafeEvaluator;
  readonly sandbox: Sandbox;
  readonly workdirs: Workdirs;
  readonly artifacts: ArtifactStore;
  readonly logger: Logger;
  readonly maxOutputBytes: number;
  /** The ways to external databases. */
  readonly connections: Pick<ConnectionManager, "find" | "use">;
  /** The door by which this execution calls other components. */
  readonly openDoor: (run: ExecutorRun) => ComponentDoor;
}

/** Components whose own code speaks with the databases that they name. */
const CONNECTING: ReadonlySet<McpType> = new Set(["python_script", "typescript_script", "jupyter_notebook"]);

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
  /** What a step's own component may start apps with. */
  readonly apps?: AppStarter;
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
    const { owner, stepId, input } = run;
    const upcoming = { runId: owner.runId, stepId, attempt: owner.attempt, input };
    const workdir = executor.takeWorkdir?.(component.config, upcoming) ?? (await deps.workdirs.make());
    const names = CONNECTING.has(component.type) ? component.externalDbs : [];
    let offered: OfferedConnections | undefined;
    try {
      if (names.length > 0)
        offered = await offerConnections({
          ...{ workdir, names, connections: deps.connections },
          ...{ signal: run.signal, timeoutSeconds: run.timeoutSeconds },
          hasOwnLoopback: deps.sandbox.level === "namespace",
        });
      const output = await executor.execute(component.config, run.input, toContext(deps, run, workdir));
      await collectArtifacts(deps, workdir, run);
      if (!executor.hasSubmittedOutput) await check("invalid_output", component.outputSchema, output);
      return output;
    } catch (error) {
      // what a failed attempt left may be what explains it
      if (!run.signal.aborted)
        await collectArtifacts(deps, workdir, run).catch((fault: unknown) => onLeft(fault, run));
      throw error;
    } finally {
      await offered?.close();
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
    ...(run.apps && { apps: run.apps }),
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
  { artifacts, logger }: Pick<ExecutorRunDeps, "artifacts" | "logger">,
  workdir: string,
  { owner, emit, signal }: Pick<ExecutorRun, "owner" | "emit" | "signal">,
): Promise<void> {
  const { refusals } = await retryWhileAway({ logger, runId: owner.runId, what: "artifacts", signal }, () =>
    artifacts.collect(workdir, owner, AbortSignal.timeout(60_000)),
  );
  for (const refusal of refusals) emit.log("system", refusal);
}

/** The fault that ended the step is the one to tell of. */
function onLeft(fault: unknown, { emit }: ExecutorRun): void {
  emit.log("system", `artifacts not kept: ${codeOf(fault) || "the worker's log has the reason"}`);
}
