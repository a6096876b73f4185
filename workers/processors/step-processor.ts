import { randomUUID } from "node:crypto";
import type { StepJob } from "../../src/contracts/step-job.js";
import type { PlanStep, RunPlan, StepTarget } from "../../src/core/plan.js";
import { LOST_WORKERS_OF_SUSPECT } from "../../src/core/advance.js";
import { stepAt } from "../../src/core/settle.js";
import type { FreeWorker, Refusal, StepKey } from "../../src/core/transition.js";
import type { Logger } from "../../src/observability/logger.js";
import type { Metrics } from "../../src/observability/metrics.js";
import { ExecutionError } from "../../src/executors/types.js";
import type { JobContext } from "../../src/queues/queue-worker.js";
import type { StepJobOutcome } from "../../src/queues/step-worker.js";
import { isUnstorableValue } from "../../src/services/database-conflicts.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { OutcomeFollower } from "../../src/services/engine/follow-outcome.js";
import { commitResult } from "../execution/commit-result.js";
import type { ExecutionGate } from "../execution/execution-gate.js";
import type { Execution, ExecutionRegistry } from "../execution/execution-registry.js";
import type { ResultSpool } from "../execution/result-spool.js";
import type { Attempt, AttemptRunner, Ending } from "../execution/run-attempt.js";
import type { StepBeginner } from "./begin-step.js";
import type { StepPerformer } from "./perform-step.js";

/** The dependencies of the step processor. */
export interface StepProcessorDeps {
  readonly workerId: string;
  readonly sandboxLevel: string;
  readonly groups: readonly string[];
  readonly engine: Engine;
  readonly beginStep: StepBeginner;
  readonly performer: StepPerformer;
  readonly runAttempt: AttemptRunner;
  readonly followOutcome: OutcomeFollower;
  /** Milliseconds to wait before a step of this target may start; 0: at once. Those not known to be free are never asked. */
  readonly throttle: (target: StepTarget, job: StepJob) => Promise<number>;
  /** Whether a target is known to have no throttle. */
  readonly isUnthrottled: (target: StepTarget) => boolean;
  /** Whether this worker's program can run a target: one of another version may know more. */
  readonly isKnown: (target: StepTarget) => boolean;
  readonly executions: ExecutionRegistry;
  readonly gate: ExecutionGate;
  readonly spool: ResultSpool;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * A worker goes on with the next step of a run for this long, counted from the job that it took. Fast chains are then
 * not slowed by the queue; slow ones give way to what others have waiting there (ADR 0007).
 */
const GO_ON_FOR_MS = 250;

/**
 * What this worker cannot run is on the queue again after a second, for one that can. It may well come here again, so
 * many of them come one by one, and not all at once; none later than the longest.
 */
const UNKNOWN_BACK_MS = 1000;
const UNKNOWN_APART_MS = 20;
const LONGEST_UNKNOWN_BACK_MS = 15_000;

/** What the processor needs to know of its job beside the payload. */
type StepJobContext = Pick<JobContext, "delay" | "signal">;

/** A step that this worker has claimed as it ended the one before. */
interface Continuation {
  readonly key: StepKey;
  readonly execution: Execution;
}

/** Takes steps' jobs: claims, runs, commits how they ended. A job may come twice. */
export class StepProcessor {
  readonly #deps: StepProcessorDeps;
  /** When the last of those that it cannot run comes back, on this process's own clock. */
  #unknownBackAt = 0;

  constructor(deps: StepProcessorDeps) {
    this.#deps = deps;
  }

  /** Rejects only for faults of the platform: the job is then delivered again. */
  async process(job: StepJob, context: StepJobContext): Promise<StepJobOutcome> {
    const { plan } = await this.#deps.engine.plans.get(job.versionId);
    const step = stepAt(plan, job.stepIndex);
    if (!this.#deps.isKnown(step.target)) return this.#leaveToOthers(job, step, context);
    if (mayBeginAlone(step, job)) {
      const begun = await this.#deps.beginStep(job, plan, step);
      if (begun) return await this.#finish(job, begun, context);
    }
    const isSuspect = (job.lostCount ?? 0) >= LOST_WORKERS_OF_SUSPECT;
    const admission = await this.#deps.gate.enter(isSuspect, context.signal);
    if (admission.backInMs !== undefined) return context.delay(admission.backInMs);
    try {
      return await this.#execute({ job, plan, step }, context);
    } finally {
      admission.leave();
    }
  }

  /** Nothing is claimed, so nothing is charged; a worker that knows it takes it, now or when there is one. */
  #leaveToOthers({ runId }: StepJob, step: PlanStep, { delay }: StepJobContext): never {
    const now = performance.now();
    const backAt = Math.max(now + UNKNOWN_BACK_MS, this.#unknownBackAt + UNKNOWN_APART_MS);
    this.#unknownBackAt = Math.min(backAt, now + LONGEST_UNKNOWN_BACK_MS);
    const backInMs = this.#unknownBackAt - now;
    const about = { runId, stepId: step.id, type: typeOf(step), backInMs };
    this.#deps.logger.warn(about, "this worker cannot run such a step, it is left to others");
    return delay(backInMs);
  }

  async #execute(
    { job, plan, step }: Pick<Attempt, "job" | "plan" | "step">,
    context: StepJobContext,
  ): Promise<StepJobOutcome> {
    const startedAt = performance.now();
    const waitMs = await this.#deps.throttle(step.target, job);
    if (waitMs > 0) return context.delay(waitMs);
    const execution = this.#deps.executions.add(job.runId, job.stepIndex, randomUUID());
    const attempt = { job, plan, step, token: execution.token, execution };
    try {
      const performed = await this.#perform(attempt, startedAt);
      if (performed?.outcome.refusal) return await this.#finish(job, performed.outcome, context);
      if (performed) return performed.next ? await this.#runChain(performed.next, startedAt) : "done";
      const refusal = await this.#claim(job, execution);
      if (refusal) return await this.#finish(job, refusal, context);
      return await this.#runChain(attempt, startedAt);
    } finally {
      this.#deps.executions.remove(execution.token);
    }
  }

  /** Follows what needed no execution; one that came too early comes again. */
  async #finish(job: StepJob, outcome: TransitionOutcome, context: StepJobContext): Promise<StepJobOutcome> {
    if (outcome.refusal?.reason === "early") context.delay(outcome.refusal.waitMs);
    await this.#deps.followOutcome(job.runId, job.versionId, outcome);
    return "done";
  }

  /** The outcome of a refused claim. */
  async #claim(
    job: StepJob,
    execution: Execution,
  ): Promise<(TransitionOutcome & { refusal: Refusal }) | undefined> {
    const { workerId, sandboxLevel, engine } = this.#deps;
    const { stepIndex, itemIndex, attempt } = job;
    const { token } = execution;
    const claim = { kind: "claim", stepIndex, itemIndex, attempt, token, workerId, sandboxLevel } as const;
    const outcome = await engine.commit.apply(job.runId, job.versionId, claim);
    if (outcome.refusal) return { ...outcome, refusal: outcome.refusal };
    execution.isClaimed = true;
    return undefined;
  }

  /** Runs a claimed step, and as long as time allows what it makes ready. */
  async #runChain(first: Attempt, startedAt: number): Promise<StepJobOutcome> {
    let failed: string | undefined;
    let attempt: Attempt | undefined = first;
    while (attempt) {
      const current: Attempt = attempt;
      try {
        const ended = await this.#runClaimed(current, startedAt);
        failed ??= ended.failed;
        attempt = ended.next;
      } finally {
        this.#deps.executions.remove(current.token);
      }
    }
    return failed === undefined ? "done" : { failed };
  }

  async #runClaimed(
    attempt: Attempt,
    startedAt: number,
  ): Promise<{ failed: string | undefined; next: Attempt | undefined }> {
    const { job, step, plan } = attempt;
    const { metrics } = this.#deps;
    const type = typeOf(step);
    const endTimer = metrics.stepSeconds.startTimer({ type });
    metrics.stepsRunning.inc();
    let offered: Execution | undefined;
    try {
      const offer = () => (offered = this.#offer(job.runId, startedAt));
      const ending = await this.#deps.runAttempt(attempt, () => this.#toFreeWorker(plan, offer()));
      const outcome = await this.#commit(job, ending);
      if (isStaleWrite(outcome, attempt.execution)) metrics.staleWritesTotal.inc();
      const result = outcome.refusal ? "refused" : toOutcomeName(ending);
      metrics.stepsTotal.inc({ type, outcome: result });
      const next = await this.#follow(attempt, outcome, offered);
      if (next) offered = undefined;
      return { failed: ending.failed, next };
    } finally {
      if (offered) this.#deps.executions.remove(offered.token);
      metrics.stepsRunning.dec();
      endTimer();
    }
  }

  /**
   * Begins and ends a step without effects in one commit; undefined: it has to be claimed. Nothing is lost when that commit
   * fails, since nothing has been done: the job comes again.
   */
  async #perform(
    attempt: Attempt,
    startedAt: number,
  ): Promise<{ outcome: TransitionOutcome; next: Attempt | undefined } | undefined> {
    const { job, step, plan, token } = attempt;
    const { performer, engine, workerId, sandboxLevel, metrics } = this.#deps;
    const atHand = await performer.ofQueued(job, plan, step);
    if (!atHand) return undefined;
    const offered = this.#offer(job.runId, startedAt);
    const worker = { token, workerId, sandboxLevel, next: this.#toFreeWorker(plan, offered) };
    const { stepIndex, itemIndex, attempt: number } = job;
    const perform = { kind: "perform", stepIndex, itemIndex, attempt: number, ...worker, ...atHand } as const;
    let next: Attempt | undefined;
    try {
      const outcome = await engine.commit.apply(job.runId, job.versionId, perform);
      if (outcome.refusal) return { outcome, next };
      metrics.stepsTotal.inc({ type: typeOf(step), outcome: "succeeded" });
      next = await this.#follow(attempt, outcome, offered);
      return { outcome, next };
    } catch (error) {
      // once it is run, that fails the step
      if (isUnstorableValue(error)) return undefined;
      throw error;
    } finally {
      if (offered && !next) this.#deps.executions.remove(offered.token);
    }
  }

  /** Does what a commit asks for. @returns what the worker goes on with, at the place that was held for it. */
  async #follow(
    { job, plan }: Attempt,
    outcome: TransitionOutcome,
    offered: Execution | undefined,
  ): Promise<Attempt | undefined> {
    const { performed = 0, continued } = outcome;
    if (performed > 0) this.#deps.metrics.stepsTotal.inc({ type: "noop", outcome: "succeeded" }, performed);
    await this.#deps.followOutcome(job.runId, job.versionId, outcome);
    return offered && continued && toAttempt(job, plan, { key: continued, execution: offered });
  }

  /** The place of an execution that may follow; noted before the commit, so that an order to stop finds it. */
  #offer(runId: string, startedAt: number): Execution | undefined {
    const { executions, gate } = this.#deps;
    if (executions.isDraining || gate.isShut || performance.now() - startedAt > GO_ON_FOR_MS)
      return undefined;
    // which step it will be, only the commit says
    return executions.add(runId, Number.MAX_SAFE_INTEGER, randomUUID());
  }

  #toFreeWorker(plan: RunPlan, execution: Execution | undefined): FreeWorker | undefined {
    if (!execution) return undefined;
    const { workerId, sandboxLevel, groups, isKnown, isUnthrottled, performer } = this.#deps;
    return {
      token: execution.token,
      workerId,
      sandboxLevel,
      accepts: (step) =>
        groups.includes(step.workerGroup) &&
        isKnown(step.target) &&
        isRunHere(step) &&
        step.when === undefined &&
        isUnthrottled(step.target),
      perform: (step, outputOf) => performer.ofReady(plan, step, outputOf),
    };
  }

  /** A value that PostgreSQL refuses fails the step: nothing else would ever end it. */
  async #commit(job: StepJob, { transition }: Ending): Promise<TransitionOutcome> {
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
}

function toAttempt(job: StepJob, plan: RunPlan, { key, execution }: Continuation): Attempt {
  const step = stepAt(plan, key.stepIndex);
  execution.stepIndex = key.stepIndex;
  execution.isClaimed = true;
  return {
    job: { ...job, ...key, stepId: step.id, attempt: 1, lostCount: 0 },
    plan,
    step,
    token: execution.token,
    execution,
  };
}

/** Whether a worker executes a step; the others are only begun by it. */
function isRunHere({ target }: PlanStep): boolean {
  return (
    target.kind === "mcp" ||
    (target.kind === "builtin" && target.name !== "wait" && target.name !== "approval")
  );
}

function mayBeginAlone(step: PlanStep, job: StepJob): boolean {
  if (!isRunHere(step)) return true;
  return job.itemIndex < 0 && (step.when !== undefined || step.forEach !== undefined);
}

/**
 * Whether an end was refused because the step had been given to another: the run may have ended with that one's result. What
 * the run itself has stopped is no such.
 */
function isStaleWrite({ refusal, status }: TransitionOutcome, { controller }: Execution): boolean {
  const told: unknown = controller.signal.reason;
  if (!refusal || (told instanceof ExecutionError && told.code === "canceled")) return false;
  return refusal.reason === "stale" || status !== "canceled";
}

function toOutcomeName({ transition, failed }: Ending): string {
  if (transition.kind === "pause") return "paused";
  return failed ? "failed" : "succeeded";
}

function typeOf({ target }: PlanStep): string {
  return target.kind === "mcp" ? target.mcpType : target.name;
}
