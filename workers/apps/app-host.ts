import { hostname } from "node:os";
import { systemActor } from "../../src/core/actor.js";
import { newId } from "../../src/core/ids.js";
import type { JsonValue } from "../../src/core/json.js";
import { type AppStarter, ExecutionError, type OpenedApp, type Sandbox } from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import type { AppRows } from "../../src/services/apps/app-rows.js";
import { toAppUrl } from "../../src/services/apps/apps.js";
import type { ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { toStorableOutput } from "../../src/services/artifacts/storable-output.js";
import type { AuditEntry } from "../../src/services/audit/audit-entry.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { OutcomeFollower } from "../../src/services/engine/follow-outcome.js";
import type { SafeEvaluator } from "../../src/services/evaluation-types.js";
import { commitResult } from "../execution/commit-result.js";
import type { ResultSpool } from "../execution/result-spool.js";
import type { Workdirs } from "../sandbox/workdir.js";
import type { AppProcessLimits } from "./app-process.js";
import { openLinkServer, type SubmitAnswer } from "./link-server.js";
import { type AppEnding, type AppExecution, LiveApp, type LiveAppDeps, type StepEnding } from "./live-app.js";

/** What an app host depends on. */
export interface AppHostDeps {
  readonly spool: ResultSpool;
  readonly workerId: string;
  readonly rows: AppRows;
  readonly engine: Engine;
  readonly followOutcome: OutcomeFollower;
  readonly evaluator: SafeEvaluator;
  readonly artifacts: ArtifactStore;
  readonly sandbox: Sandbox;
  readonly workdirs: Workdirs;
  readonly logger: Logger;
  readonly maxOutputBytes: number;
  /** The setting `MAX_APPS`: apps outlive their steps, so nothing else bounds how many there are. */
  readonly maxApps: number;
  /** Where this worker's gateway listens. */
  readonly gateway: { readonly socket: string; readonly url: string | null };
  readonly processLimits?: Partial<AppProcessLimits>;
}

/** The starter of one execution, and what it has started. */
export interface ExecutionApps extends AppStarter {
  /** The app that its step has to wait for. */
  readonly awaited: { readonly appId: string; readonly url: string } | undefined;
}

/** A submitted app goes on for this long, so that its page can say thanks. */
const LINGER_MS = 5_000;

/** The apps of one worker. They outlive the executions that started them, and end with the worker. */
export function createAppHost(deps: AppHostDeps) {
  const { rows, logger } = deps;
  const apps = new Map<string, LiveApp>();
  let openingCount = 0;
  const appDeps: LiveAppDeps = {
    ...deps,
    endStep: async (execution, ending) => await endStep(deps, execution, ending),
    async takeSubmit(app, values) {
      const answer = await takeSubmit(deps, app, values);
      const end = () => void app.end({ status: "stopped", reason: "The values were sent" });
      if (answer.ok) setTimeout(end, LINGER_MS).unref();
      return answer;
    },
    removeFolder: async (folder) => await deps.workdirs.remove(folder),
    onEnded: (app) => apps.delete(app.id),
  };

  async function endAll(chosen: (app: LiveApp) => boolean, ending: AppEnding): Promise<void> {
    await Promise.all([...apps.values()].filter(chosen).map(async (app) => await app.end(ending)));
  }

  return {
    /** What an execution starts its apps with. */
    for(execution: AppExecution): ExecutionApps {
      let awaited: ExecutionApps["awaited"];
      return {
        get awaited() {
          return awaited;
        },
        async open(wanted) {
          if (apps.size + openingCount >= deps.maxApps) throw tooManyApps(deps.maxApps);
          openingCount += 1;
          const opened = await openApp({ deps, appDeps, apps }, execution, wanted).finally(
            () => (openingCount -= 1),
          );
          if (execution.waitForSubmit) awaited = { appId: opened.appId, url: opened.url };
          return opened;
        },
        holdsSecret: (value) => JSON.stringify(execution.mask.json(value)) !== JSON.stringify(value),
      };
    },
    find: (id: string): LiveApp | undefined => apps.get(id),
    count: (): number => apps.size,
    /** Ends a run's apps of steps before `below`: it was canceled or has expired. */
    async stopRun(runId: string, below: number): Promise<void> {
      const isMeant = ({ execution }: LiveApp) => execution.runId === runId && execution.stepIndex < below;
      await endAll(isMeant, { status: "stopped", reason: "The run was stopped" });
    },
    /** One heartbeat: keeps the leases, and ends what is wanted no more. */
    beat: async (): Promise<void> => await beatApps(rows, [...apps.values()]),
    /** Ends all; steps that wait for one are given back, and another worker starts it anew. */
    async close(): Promise<void> {
      const reason = "The worker stopped";
      await endAll(() => true, { status: "stopped", reason, step: { kind: "release" } });
      logger.debug("apps ended");
    },
  };
}

/** See {@link createAppHost}. */
export type AppHost = ReturnType<typeof createAppHost>;

function tooManyApps(maxApps: number): ExecutionError {
  const message = `This worker runs ${maxApps} apps already (MAX_APPS): stop some, or let them end when nobody uses them`;
  return new ExecutionError("upstream_error", message);
}

/** What opening an app takes. */
interface HostParts {
  readonly deps: AppHostDeps;
  readonly appDeps: LiveAppDeps;
  readonly apps: Map<string, LiveApp>;
}

async function openApp(
  { deps, appDeps, apps }: HostParts,
  execution: AppExecution,
  wanted: Parameters<AppStarter["open"]>[0],
): Promise<OpenedApp> {
  const id = newId();
  const folder = await deps.workdirs.make();
  const { idleTimeoutSeconds, mode } = wanted;
  const app = new LiveApp(appDeps, { id, execution, folder, idleTimeoutSeconds });
  const { socket: gatewaySocket, url: gatewayUrl } = deps.gateway;
  const { token: leaseToken, versionId: workflowVersionId, ...about } = execution;
  await deps.rows.insert({
    ...about,
    ...{ id, mode, leaseToken, workflowVersionId, workerId: deps.workerId, hostname: hostname() },
    ...{ gatewaySocket, gatewayUrl, idleTimeoutSeconds },
  });
  apps.set(id, app);
  const { maxOutputBytes: maxBytes } = deps;
  app.hold(await openLinkServer({ folder, maxBytes, submit: async (values) => await app.submit(values) }));
  return {
    appId: id,
    url: toAppUrl(id),
    folder,
    serve: async (serving) => await app.serve(serving),
    abandon: async (reason) => await app.end({ status: "failed", reason }),
  };
}

async function beatApps(rows: AppRows, apps: readonly LiveApp[]): Promise<void> {
  const live = apps.filter((app) => !app.isEnding);
  if (live.length === 0) return;
  const reports = live.map(({ id, idleMs, logTail }) => ({ id, idleMs, logTail }));
  const verdicts = new Map((await rows.beat(reports)).map((verdict) => [verdict.id, verdict]));
  for (const app of live) {
    const ending = judge(app, verdicts.get(app.id));
    if (ending) void app.end(ending);
  }
}

function judge(
  app: LiveApp,
  verdict: Awaited<ReturnType<AppRows["beat"]>>[number] | undefined,
): AppEnding | undefined {
  if (!verdict) return { status: "stopped", reason: "The worker had lost it" };
  const { stopRequestedBy } = verdict;
  if (stopRequestedBy !== null) {
    const reason = `Stopped by ${stopRequestedBy}`;
    const error = { code: "canceled", message: `The app was stopped by ${stopRequestedBy}` } as const;
    return { status: "stopped", reason, step: { kind: "fail", error, isRetryable: false } };
  }
  if (verdict.isRunCanceled) return { status: "stopped", reason: "The run was canceled" };
  if (app.isAwaited)
    return verdict.isAwaited ? undefined : { status: "stopped", reason: "Its step has ended" };
  const isStarting = app.serving === undefined;
  if (isStarting || app.idleMs < app.idleTimeoutSeconds * 1000) return undefined;
  return { status: "stopped", reason: `Nobody used it for ${app.idleTimeoutSeconds} seconds` };
}

async function endStep(deps: AppHostDeps, execution: AppExecution, ending: StepEnding): Promise<void> {
  const { runId, versionId, stepIndex, itemIndex, token } = execution;
  const transition = { ...ending, stepIndex, itemIndex, token };
  const outcome = await commitResult(deps, runId, versionId, transition);
  await deps.followOutcome(runId, versionId, outcome);
}

async function takeSubmit(deps: AppHostDeps, app: LiveApp, values: JsonValue): Promise<SubmitAnswer> {
  const { execution, folder } = app;
  const { runId, versionId, stepIndex, itemIndex, attempt, token, outputSchema, mask } = execution;
  const faults = outputSchema === null ? [] : await deps.evaluator.validate(outputSchema, values);
  const errors = faults.map(({ path, message }) => ({ path, message }));
  const [first] = errors;
  if (first) return { ok: false, error: `${first.path || "/"} ${first.message}`, errors };
  const owner = { runId, stepIndex, itemIndex, attempt };
  let large: string | undefined;
  let output: JsonValue;
  try {
    ({ value: output, large } = toStorableOutput(mask.json(values), deps.maxOutputBytes));
  } catch (error) {
    if (error instanceof ExecutionError) return { ok: false, error: error.message };
    throw error;
  }
  const { refusals } = await deps.artifacts.collect(folder, owner, AbortSignal.timeout(60_000));
  for (const refusal of refusals) execution.emit.log("system", refusal);
  const content = {
    kind: "output",
    name: `${execution.stepId}.json`,
    contentType: "application/json",
  } as const;
  const artifact =
    large === undefined ? undefined : await deps.artifacts.saveBytes(owner, content, Buffer.from(large));
  const transition = {
    kind: "succeed",
    ...{ stepIndex, itemIndex, token, output },
    ...(artifact ? { outputArtifactId: artifact.id } : {}),
  } as const;
  const outcome = await commitResult(deps, runId, versionId, transition, toSubmitEntry(app));
  if (outcome.refusal) return { ok: false, error: "The step does not wait for values any more" };
  await deps.rows.noteSubmit(app.id);
  await deps.followOutcome(runId, versionId, outcome);
  return { ok: true };
}

/** It comes from the app's own program, which has no person to name: the log says which app, of which step. */
function toSubmitEntry({ id, execution }: LiveApp): AuditEntry {
  const { runId, stepId, itemIndex, name } = execution;
  return {
    actor: systemActor(`app ${name}`),
    origin: null,
    action: "app.submit",
    entityType: "app",
    entityId: id,
    after: { runId, stepId, ...(itemIndex < 0 ? {} : { itemIndex }) },
  };
}
