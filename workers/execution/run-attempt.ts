import type { StepJob } from "../../src/contracts/step-job.js";
import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import type { RunError } from "../../src/core/statuses.js";
import { toStorableJson, toStorableText } from "../../src/core/storable-text.js";
import type { FreeWorker, Hold, Transition } from "../../src/core/transition.js";
import { AppError } from "../../src/errors/app-error.js";
import { codeOf, isUnreachable } from "../../src/errors/is-unreachable.js";
import { ApprovalNeededError, ExecutionError } from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { toShownInputs, toStorableOutput } from "../../src/services/artifacts/storable-output.js";
import type { Engine } from "../../src/services/engine/engine.js";
import {
  type InputResolver,
  MappingError,
  type ResolvedInputs,
} from "../../src/services/engine/resolve-inputs.js";
import { EvaluationBusyError } from "../../src/services/evaluation-types.js";
import type { SecretValue } from "../../src/services/secrets/secret-store.js";
import type { ComponentCache } from "./component-cache.js";
import { EventCollector } from "./event-collector.js";
import type { Execution } from "./execution-registry.js";
import type { ResultCache } from "./result-cache.js";
import { retryWhileAway } from "./retry-while-away.js";
import type { ComponentResult, ComponentRunner } from "./run-component.js";
import { createSecretMask, type StreamMask } from "./secret-mask.js";

const MOST_MESSAGE_CHARS = 10_000;

/** The dependencies of running an attempt. */
export interface AttemptRunnerDeps {
  readonly engine: Engine;
  readonly resolver: InputResolver;
  readonly getComponent: ComponentCache;
  readonly runComponent: ComponentRunner;
  readonly resultCache: ResultCache;
  readonly readSecrets: (names: readonly string[]) => Promise<ReadonlyMap<string, SecretValue>>;
  readonly artifacts: ArtifactStore;
  readonly logger: Logger;
  readonly maxLogBytes: number;
  readonly maxOutputBytes: number;
}

/** A claimed attempt of a step, or of one item of it. */
export interface Attempt {
  readonly job: StepJob;
  readonly plan: RunPlan;
  readonly step: PlanStep;
  readonly token: string;
  readonly execution: Execution;
}

/** How an attempt ended: what is to be committed, and why it failed. */
export interface Ending {
  readonly transition: Extract<Transition, { token: string }>;
  readonly failed?: string;
}

interface Prepared {
  readonly resolved: ResolvedInputs;
  readonly secrets: ReadonlyMap<string, SecretValue>;
  readonly timeoutSeconds: number;
  readonly mask: StreamMask;
  readonly inputs: JsonValue;
}

const DEFAULT_TIMEOUT_SECONDS = 600;
/** How long a step without a time-out waits for a person. */
const DEFAULT_SUBMIT_SECONDS = 86_400;
/** Inputs of executions that last longer than this are shown while they run. */
const SHOW_INPUTS_AFTER_MS = 500;

/** Runs claimed attempts: resolves inputs, executes, and says how it ended. Never rejects for what the step does. */
export function createAttemptRunner(deps: AttemptRunnerDeps) {
  /** @param next the worker that is free once this attempt has succeeded. */
  return async function runAttempt(
    attempt: Attempt,
    next: (() => FreeWorker | undefined) | undefined,
  ): Promise<Ending> {
    const { job } = attempt;
    const key = keyOf(attempt);
    let prepared: Prepared | undefined;
    try {
      const ready = await patiently(deps, attempt, "inputs", () => prepare(deps, attempt));
      prepared = ready;
      const { inputs, mask, resolved } = ready;
      const cached = await patiently(deps, attempt, "cache", () => deps.resultCache.find(attempt, resolved));
      if (cached?.hit) {
        const { output } = cached.hit;
        return {
          transition: { kind: "succeed", ...key, inputs, output, isCacheHit: true, next: next?.() },
        };
      }
      const { output, awaited } = await execute(deps, attempt, ready);
      if (awaited)
        return { transition: { kind: "suspend", ...key, hold: toSubmitHold(attempt, ready, awaited) } };
      const masked = mask.json(output);
      const stored = await patiently(deps, attempt, "output", () => store(deps, masked, job));
      await cached?.keep(stored);
      return { transition: { kind: "succeed", ...key, inputs, ...stored, next: next?.() } };
    } catch (error) {
      return toEnding(deps, error, attempt, prepared);
    }
  };
}

/** What the attempt asks of the database waits while that is away: it is no fault of the step. */
async function patiently<T>(
  { logger }: AttemptRunnerDeps,
  { job, execution }: Attempt,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const { signal } = execution.controller;
  return await retryWhileAway({ logger, runId: job.runId, what, signal }, work);
}

/** See {@link createAttemptRunner}. */
export type AttemptRunner = ReturnType<typeof createAttemptRunner>;

async function prepare(deps: AttemptRunnerDeps, attempt: Attempt): Promise<Prepared> {
  const { job, step, plan } = attempt;
  const resolved = await deps.resolver.resolveInputs(job.runId, plan, step, job.itemIndex);
  const { secrets, timeoutSeconds } = await readComponentNeeds(deps, step);
  const mask = createSecretMask([
    ...resolved.secretValues,
    ...[...secrets.values()].map(({ value }) => value),
  ]);
  return { resolved, secrets, timeoutSeconds, mask, inputs: toShownInputs(resolved.shown) };
}

async function readComponentNeeds(deps: AttemptRunnerDeps, step: PlanStep) {
  if (step.target.kind !== "mcp")
    return { secrets: new Map(), timeoutSeconds: step.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS };
  const component = await deps.getComponent(step.target.mcpVersionId);
  const secrets = component.secrets.length > 0 ? await deps.readSecrets(component.secrets) : new Map();
  const timeoutSeconds = step.timeoutSeconds ?? component.config.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  return { secrets, timeoutSeconds };
}

async function execute(
  deps: AttemptRunnerDeps,
  attempt: Attempt,
  prepared: Prepared,
): Promise<ComponentResult> {
  const { job, step, execution } = attempt;
  const { mask, inputs, timeoutSeconds } = prepared;
  const report = (change: Pick<Extract<Transition, { kind: "report" }>, "events" | "inputs">) =>
    deps.engine.commit.apply(job.runId, job.versionId, { kind: "report", ...keyOf(attempt), ...change });
  const onLost = (error: unknown) =>
    deps.logger.warn({ err: error, runId: job.runId }, "events not committed");
  const { maxLogBytes } = deps;
  const collector = new EventCollector({
    mask,
    maxLogBytes,
    submit: (events) => report({ events }),
    mayPass: isUnreachable,
    onLost,
  });
  const showInputs = setTimeout(
    () => void report({ events: [], inputs }).catch(onLost),
    SHOW_INPUTS_AFTER_MS,
  );
  const stopTimer = startTimeout(execution.controller, timeoutSeconds);
  try {
    return await deps.runComponent({
      step,
      owner: ownerOf(job),
      versionId: job.versionId,
      token: attempt.token,
      input: prepared.resolved.values,
      secrets: prepared.secrets,
      secretHosts: prepared.resolved.secretHosts,
      emit: collector,
      mask,
      signal: execution.controller.signal,
      timeoutSeconds,
    });
  } finally {
    stopTimer();
    clearTimeout(showInputs);
    await collector.finish();
  }
}

/** The step lasts until its app sends values back, at most as long as its time-out says from now. */
function toSubmitHold(
  { step }: Attempt,
  { inputs }: Prepared,
  { appId, url }: NonNullable<ComponentResult["awaited"]>,
): Hold {
  const dueMs = (step.timeoutSeconds ?? DEFAULT_SUBMIT_SECONDS) * 1000;
  return { dueMs, inputs, waitingFor: { reason: "submit", detail: `submit of app ${appId}`, appId, url } };
}

async function store(
  deps: AttemptRunnerDeps,
  output: JsonValue,
  job: StepJob,
): Promise<{ output: JsonValue; outputArtifactId?: string }> {
  const { value, large } = toStorableOutput(output, deps.maxOutputBytes);
  if (large === undefined) return { output: value };
  const content = { kind: "output", name: `${job.stepId}.json`, contentType: "application/json" } as const;
  const artifact = await deps.artifacts.saveBytes(ownerOf(job), content, Buffer.from(large));
  return { output: null, outputArtifactId: artifact.id };
}

function toEnding(
  deps: AttemptRunnerDeps,
  error: unknown,
  attempt: Attempt,
  prepared: Prepared | undefined,
): Ending {
  const { job, step, execution } = attempt;
  const fault = toFault(error, execution.controller.signal);
  if (fault.code === "internal")
    deps.logger.error({ err: error, runId: job.runId, stepId: step.id }, "step failed for a reason of ours");
  const mask = prepared?.mask ?? createSecretMask([]);
  const shown = toShownError(fault, mask);
  const key = keyOf(attempt);
  if (fault instanceof ApprovalNeededError)
    return { transition: { kind: "pause", ...key, hold: toHold(fault, mask, prepared?.inputs ?? {}) } };
  // there was no time for its expressions: another worker may have it, or this one later
  const isGivenBack = fault.code === "worker_lost" || error instanceof EvaluationBusyError;
  if (isGivenBack) return { transition: { kind: "release", ...key }, failed: shown.message };
  const { retryable: isRetryable } = fault;
  return {
    transition: { kind: "fail", ...key, error: shown, isRetryable, inputs: prepared?.inputs },
    failed: `${shown.code}: ${shown.message}`,
  };
}

/** A fault as people see it and as it is stored: secrets hidden, and no half of a character where a text was cut. */
export function toShownError({ code, message, details }: ExecutionError, mask: StreamMask): RunError {
  return {
    code,
    // executors shorten what programs say: a secret may have been cut
    message: toStorableText(String(mask.cut(toStorableText(message))).slice(0, MOST_MESSAGE_CHARS)),
    ...(details === undefined ? {} : { details: toStorableJson(mask.cut(details)) }),
  };
}

/** Whoever may decide approvals may let the step go on. */
function toHold({ request }: ApprovalNeededError, mask: StreamMask, inputs: JsonValue): Hold {
  const { reason, subject } = request;
  const detail = String(mask.cut(toStorableText(request.detail))).slice(0, 1_000);
  const approvers = { roles: [], users: [], required: 1 };
  return {
    approval: {
      message: detail,
      ...approvers,
      allowSelfApproval: true,
      onExpiry: "reject",
      decisions: [],
      grants: [subject],
    },
    waitingFor: { reason, detail, message: detail, approvers },
    inputs,
  };
}

function keyOf({ job, token }: Attempt) {
  return { stepIndex: job.stepIndex, itemIndex: job.itemIndex, token };
}

function ownerOf(job: StepJob): ArtifactOwner {
  const { runId, stepIndex, itemIndex, attempt } = job;
  return { runId, stepIndex, itemIndex, attempt };
}

function startTimeout(controller: AbortController, seconds: number): () => void {
  const timer = setTimeout(() => {
    controller.abort(new ExecutionError("timeout", `The step took longer than ${seconds} seconds`));
  }, seconds * 1000);
  return () => clearTimeout(timer);
}

/** Whatever was thrown, as an ExecutionError; an abort's own reason comes before what the executor made of it. */
export function toFault(error: unknown, signal: AbortSignal): ExecutionError {
  if (signal.aborted && signal.reason instanceof ExecutionError) {
    const details = error instanceof ExecutionError ? error.details : undefined;
    return new ExecutionError(signal.reason.code, signal.reason.message, {
      details,
      retryable: signal.reason.retryable,
    });
  }
  if (error instanceof ExecutionError) return error;
  if (error instanceof MappingError)
    return new ExecutionError("invalid_input", error.message, { cause: error });
  // what a secret's key or the sandbox lacks is said in words of ours
  if (error instanceof AppError && error.code === "NOT_READY")
    return new ExecutionError("internal", error.detail, { cause: error });
  const isFull = ["ENOSPC", "EDQUOT"].includes(codeOf(error));
  const message = isFull
    ? "No space is left on the worker's disk (DATA_DIR): the step's files could not be kept"
    : "The step could not be run; the worker's log has the reason";
  return new ExecutionError("internal", message, {
    cause: error,
  });
}
