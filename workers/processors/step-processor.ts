import { randomUUID } from "node:crypto";
import type { StepJob } from "../../src/contracts/step-job.js";
import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import { stepAt } from "../../src/core/settle.js";
import type { RunError } from "../../src/core/statuses.js";
import type { Transition } from "../../src/core/transition.js";
import { ExecutionError } from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import type { Metrics } from "../../src/observability/metrics.js";
import type { JobContext } from "../../src/queues/queue-worker.js";
import type { StepJobOutcome } from "../../src/queues/step-worker.js";
import type { ArtifactOwner, ArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { TransitionOutcome } from "../../src/services/engine/group-commit.js";
import {
  type InputResolver,
  MappingError,
  type ResolvedInputs,
} from "../../src/services/engine/resolve-inputs.js";
import type { RunCloser } from "../../src/services/engine/run-closer.js";
import { commitResult } from "../execution/commit-result.js";
import type { ComponentCache } from "../execution/component-cache.js";
import { EventCollector } from "../execution/event-collector.js";
import type { Execution, ExecutionRegistry } from "../execution/execution-registry.js";
import type { ComponentRunner } from "../execution/run-component.js";
import { createSecretMask, type SecretMask } from "../execution/secret-mask.js";
import { toShownInputs, toStorableOutput } from "../execution/storable-output.js";

/** The dependencies of the step processor. */
export interface StepProcessorDeps {
  readonly workerId: string;
  readonly sandboxLevel: string;
  readonly engine: Engine;
  readonly resolver: InputResolver;
  readonly closeRun: RunCloser;
  readonly getComponent: ComponentCache;
  readonly runComponent: ComponentRunner;
  readonly readSecrets: (names: readonly string[]) => Promise<Record<string, string>>;
  readonly artifacts: ArtifactStore;
  readonly executions: ExecutionRegistry;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly maxLogBytes: number;
  readonly maxOutputBytes: number;
}

const DEFAULT_TIMEOUT_SECONDS = 600;
/** Inputs of executions that last longer than this are shown while they run. */
const SHOW_INPUTS_AFTER_MS = 500;

interface Attempt {
  readonly job: StepJob;
  readonly plan: RunPlan;
  readonly step: PlanStep;
  readonly token: string;
  readonly execution: Execution;
}

type Ending = { readonly transition: Transition; readonly failed?: string };

/** Takes steps' jobs: claims, runs, commits how they ended. A job may come twice. */
export class StepProcessor {
  readonly #deps: StepProcessorDeps;

  constructor(deps: StepProcessorDeps) {
    this.#deps = deps;
  }

  async #settle(job: StepJob, outcome: TransitionOutcome): Promise<void> {
    if (outcome.isClosing) await this.#deps.closeRun(job.runId, job.versionId);
  }

  /** Judges `when` before the claim: a step that is skipped was never started. */
  async #isWanted(job: StepJob, plan: RunPlan, step: PlanStep): Promise<boolean> {
    const key = { stepIndex: job.stepIndex, itemIndex: job.itemIndex, attempt: job.attempt };
    let transition: Transition = { kind: "skip", ...key };
    try {
      if (await this.#deps.resolver.isWanted(job.runId, plan, step)) return true;
    } catch (error) {
      if (!(error instanceof MappingError)) throw error;
      transition = { kind: "failQueued", ...key, error: { code: "invalid_input", message: error.message } };
    }
    await this.#settle(job, await this.#deps.engine.commit.apply(job.runId, job.versionId, transition));
    return false;
  }

  async #run(attempt: Attempt): Promise<Ending> {
    const { job, step, plan, token } = attempt;
    const key = { stepIndex: job.stepIndex, itemIndex: job.itemIndex, token };
    let inputs: JsonValue | undefined;
    let mask: SecretMask = createSecretMask([]);
    try {
      const resolved = await this.#deps.resolver.resolveInputs(job.runId, plan, step);
      const { secrets, timeoutSeconds } = await this.#prepare(step);
      mask = createSecretMask([...resolved.secretValues, ...Object.values(secrets)]);
      inputs = toShownInputs(resolved.shown);
      const output = await this.#execute(attempt, { resolved, secrets, timeoutSeconds, mask, inputs });
      return {
        transition: { kind: "succeed", ...key, inputs, ...(await this.#store(mask.json(output), job)) },
      };
    } catch (error) {
      return this.#toEnding(error, attempt, key, inputs, mask);
    }
  }

  async #prepare(step: PlanStep) {
    if (step.target.kind === "builtin")
      return { secrets: {}, timeoutSeconds: step.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS };
    const component = await this.#deps.getComponent(step.target.mcpVersionId);
    const secrets = component.secrets.length > 0 ? await this.#deps.readSecrets(component.secrets) : {};
    const timeoutSeconds = step.timeoutSeconds ?? component.config.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
    return { secrets, timeoutSeconds };
  }

  async #execute(
    attempt: Attempt,
    given: {
      resolved: ResolvedInputs;
      secrets: Record<string, string>;
      timeoutSeconds: number;
      mask: SecretMask;
      inputs: JsonValue;
    },
  ): Promise<JsonValue> {
    const { job, step, execution } = attempt;
    const key = { stepIndex: job.stepIndex, itemIndex: job.itemIndex, token: attempt.token };
    const report = (change: Pick<Extract<Transition, { kind: "report" }>, "events" | "inputs">) =>
      this.#deps.engine.commit.apply(job.runId, job.versionId, { kind: "report", ...key, ...change });
    const onLost = (error: unknown) =>
      this.#deps.logger.warn({ err: error, runId: job.runId }, "events not committed");
    const collector = new EventCollector({
      mask: given.mask,
      maxLogBytes: this.#deps.maxLogBytes,
      submit: (events) => report({ events }),
      onLost,
    });
    const showInputs = setTimeout(
      () => void report({ events: [], inputs: given.inputs }).catch(onLost),
      SHOW_INPUTS_AFTER_MS,
    );
    const stopTimer = startTimeout(execution.controller, given.timeoutSeconds);
    try {
      return await this.#deps.runComponent({
        step,
        owner: ownerOf(job),
        input: given.resolved.values,
        secrets: given.secrets,
        emit: collector,
        signal: execution.controller.signal,
        timeoutSeconds: given.timeoutSeconds,
      });
    } finally {
      stopTimer();
      clearTimeout(showInputs);
      collector.finish();
    }
  }

  async #store(output: JsonValue, job: StepJob): Promise<{ output: JsonValue; outputArtifactId?: string }> {
    const { value, large } = toStorableOutput(output, this.#deps.maxOutputBytes);
    if (large === undefined) return { output: value };
    const content = { kind: "output", name: `${job.stepId}.json`, contentType: "application/json" } as const;
    const artifact = await this.#deps.artifacts.saveBytes(ownerOf(job), content, Buffer.from(large));
    return { output: null, outputArtifactId: artifact.id };
  }

  #toEnding(
    error: unknown,
    attempt: Attempt,
    key: { stepIndex: number; itemIndex: number; token: string },
    inputs: JsonValue | undefined,
    mask: SecretMask,
  ): Ending {
    const fault = toFault(error, attempt.execution.controller.signal);
    if (fault.code === "internal")
      this.#deps.logger.error(
        { err: error, runId: attempt.job.runId, stepId: attempt.step.id },
        "step failed for a reason of ours",
      );
    const shown: RunError = {
      code: fault.code,
      message: mask.text(fault.message).slice(0, 10_000),
      ...(fault.details === undefined ? {} : { details: mask.json(fault.details) }),
    };
    if (fault.code === "worker_lost")
      return { transition: { kind: "release", ...key }, failed: shown.message };
    return {
      transition: { kind: "fail", ...key, error: shown, isRetryable: fault.retryable, inputs },
      failed: `${shown.code}: ${shown.message}`,
    };
  }

  async #runClaimed(attempt: Attempt): Promise<StepJobOutcome> {
    const { job, step } = attempt;
    const type = step.target.kind === "mcp" ? step.target.mcpType : step.target.name;
    const endTimer = this.#deps.metrics.stepSeconds.startTimer({ type });
    this.#deps.metrics.stepsRunning.inc();
    try {
      const { transition, failed } = await this.#run(attempt);
      const outcome = await this.#commit(job, transition);
      if (outcome.refusal?.reason === "stale") this.#deps.metrics.staleWritesTotal.inc();
      this.#deps.metrics.stepsTotal.inc({
        type,
        outcome: outcome.refusal ? "refused" : failed ? "failed" : "succeeded",
      });
      await this.#settle(job, outcome);
      return failed === undefined ? "done" : { failed };
    } finally {
      this.#deps.metrics.stepsRunning.dec();
      endTimer();
    }
  }

  /** A value that PostgreSQL refuses fails the step: nothing else would ever end it. */
  async #commit(job: StepJob, transition: Transition): Promise<TransitionOutcome> {
    try {
      return await commitResult(this.#deps, job.runId, job.versionId, transition);
    } catch (error) {
      if (transition.kind !== "succeed" && transition.kind !== "fail") throw error;
      this.#deps.logger.error({ err: error, runId: job.runId, stepId: job.stepId }, "result refused");
      const { stepIndex, itemIndex, token } = transition;
      const fault = { code: "invalid_output", message: "The result could not be stored" } as const;
      const failure = {
        kind: "fail",
        stepIndex,
        itemIndex,
        token,
        error: fault,
        isRetryable: false,
      } as const;
      return await commitResult(this.#deps, job.runId, job.versionId, failure);
    }
  }

  /** Rejects only for faults of the platform: the job is then delivered again. */
  async process(job: StepJob, context: Pick<JobContext, "delay">): Promise<StepJobOutcome> {
    const { plan } = await this.#deps.engine.plans.get(job.versionId);
    const step = stepAt(plan, job.stepIndex);
    if (step.when !== undefined && !(await this.#isWanted(job, plan, step))) return "done";
    const token = randomUUID();
    const execution = this.#deps.executions.add(job.runId, token);
    try {
      const { workerId, sandboxLevel } = this.#deps;
      const { stepIndex, itemIndex, attempt } = job;
      const claim = { kind: "claim", stepIndex, itemIndex, attempt, token, workerId, sandboxLevel } as const;
      const { refusal } = await this.#deps.engine.commit.apply(job.runId, job.versionId, claim);
      if (refusal?.reason === "early") context.delay(refusal.waitMs);
      if (refusal) return "done";
      execution.isClaimed = true;
      return await this.#runClaimed({ job, plan, step, token, execution });
    } finally {
      this.#deps.executions.remove(token);
    }
  }
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
function toFault(error: unknown, signal: AbortSignal): ExecutionError {
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
  return new ExecutionError("internal", "The step could not be run; the worker's log has the reason", {
    cause: error,
  });
}
