import type { PlanStep, RunPlan } from "./plan.js";
import { retryDelayMs } from "./retry.js";
import { outcomeOf, settle, stepAt } from "./settle.js";
import { isRunTerminal, type RunError, type RunStatus } from "./statuses.js";
import { STATE, type StateLetter } from "./step-states.js";
import type {
  Advance,
  DispatchDraft,
  EventDraft,
  Refusal,
  RunState,
  StepChange,
  StepState,
  Transition,
} from "./transition.js";

/** After this many workers died under one step, the step itself is taken for the cause. */
export const MAX_LOST_WORKERS = 3;

type StepTransition = Extract<Transition, { stepIndex: number }>;

/** What a transition works on. `step` is the row of the step that the transition names. */
export interface AdvanceInput {
  readonly plan: RunPlan;
  /** Its `states` are changed in place. */
  readonly run: RunState;
  readonly step?: StepState;
  readonly transition: Transition;
  /** A number in [0, 1) for the jitter of a retry. */
  readonly random: number;
}

/**
 * The engine's whole judgement: what a transition does to a run. Pure: no clock, no I/O; time comes in as
 * `step.waitMs`, chance as `random`. Whoever calls holds the run's row lock.
 */
export function advance(input: AdvanceInput): Advance {
  const { run, transition } = input;
  if (isRunTerminal(run.status)) return refuse(run, { reason: "ended" });
  switch (transition.kind) {
    case "cancel":
      return stopRun(input, "canceled", { code: "canceled", message: "The run was canceled" });
    case "expire":
      return stopRun(input, "failed", transition.error);
    case "close":
      return closeRun(run, transition);
    default:
      return advanceStep(input, transition);
  }
}

/** The facts of a new run: every step that depends on nothing is queued. */
export function beginRun(plan: RunPlan, run: RunState, delayMs: number): Advance {
  const draft = new Draft(plan, run);
  draft.event({ type: "run.queued", data: delayMs > 0 ? { delayMs } : {} });
  draft.settle(undefined, delayMs);
  return draft.finish();
}

function advanceStep(input: AdvanceInput, transition: StepTransition): Advance {
  const { run, step } = input;
  if (!step) return refuse(run, { reason: "stale" });
  const isQueuedKind =
    transition.kind === "claim" || transition.kind === "skip" || transition.kind === "failQueued";
  if (isQueuedKind) {
    if (step.status !== "queued" || step.attempt !== transition.attempt)
      return refuse(run, { reason: "stale" });
    // timers go by the database's clock: a worker whose clock is ahead comes too early (BullMQ trusts clients)
    if (transition.kind === "claim" && step.waitMs > 0)
      return refuse(run, { reason: "early", waitMs: step.waitMs });
  } else if (step.status !== "running" || step.leaseToken !== transition.token) {
    return refuse(run, { reason: "stale" });
  }
  return applyToStep(input, transition, step);
}

function applyToStep(input: AdvanceInput, transition: StepTransition, state: StepState): Advance {
  const step = stepAt(input.plan, transition.stepIndex);
  const draft = new Draft(input.plan, input.run, step, state);
  switch (transition.kind) {
    case "claim":
      draft.start(transition);
      break;
    case "skip":
      draft.end(STATE.skipped, { type: "step.skipped", data: { reason: "condition" } });
      break;
    case "failQueued":
      draft.fail(transition.error, {});
      break;
    case "succeed":
      draft.end(STATE.succeeded, { type: "step.succeeded", data: {} }, transition);
      break;
    case "fail":
      if (transition.isRetryable && mayRetry(step, state)) draft.retry(transition.error, input.random);
      else draft.fail(transition.error, transition);
      break;
    case "report":
      draft.report(transition);
      break;
    case "lose":
      draft.lose();
      break;
    case "release":
      draft.release();
      break;
  }
  return draft.finish();
}

function mayRetry(step: PlanStep, state: StepState): boolean {
  return chargedAttempts(state) < step.retry.maxAttempts;
}

function chargedAttempts(state: StepState): number {
  return state.attempt - state.lostCount - state.releasedCount;
}

function refuse(run: RunState, refusal: Refusal): Advance {
  return {
    refusal,
    status: run.status,
    error: run.error,
    hasStarted: false,
    isClosing: false,
    changes: [],
    events: [],
    dispatches: [],
    mustStop: false,
  };
}

function closeRun(run: RunState, transition: Extract<Transition, { kind: "close" }>): Advance {
  const outcome = outcomeOf(run.states);
  if (!outcome) return refuse(run, { reason: "stale" });
  const status: RunStatus = outcome === "succeeded" && !transition.error ? "succeeded" : "failed";
  return {
    status,
    hasStarted: false,
    error: transition.error ?? run.error,
    ended: { output: transition.output },
    isClosing: false,
    changes: [],
    events: [{ type: `run.${status}`, data: transition.error ? { error: errorData(transition.error) } : {} }],
    dispatches: [],
    mustStop: false,
  };
}

function stopRun({ plan, run }: AdvanceInput, status: "canceled" | "failed", error: RunError): Advance {
  const mustStop = run.states.some(STATE.running) || run.states.some(STATE.queued);
  const events: EventDraft[] = [];
  const changes: StepChange[] = [];
  for (const index of run.states.openIndices()) {
    run.states.set(index, STATE.canceled);
    changes.push({
      type: "end",
      stepIndex: index,
      itemIndex: -1,
      status: "canceled",
      error: { ...error, code: "canceled" },
    });
    events.push({ type: "step.canceled", stepId: stepAt(plan, index).id, data: {} });
  }
  events.push({ type: `run.${status}`, data: { error: errorData(error) } });
  return {
    status,
    error,
    hasStarted: false,
    ended: {},
    isClosing: false,
    changes,
    events,
    dispatches: [],
    mustStop,
  };
}

function errorData(error: RunError) {
  return {
    code: error.code,
    message: error.message,
    ...(error.stepId === undefined ? {} : { stepId: error.stepId }),
    ...(error.attempt === undefined ? {} : { attempt: error.attempt }),
  };
}

/** Gathers what one transition does. */
class Draft {
  readonly #plan: RunPlan;
  readonly #run: RunState;
  readonly #step: PlanStep | undefined;
  readonly #state: StepState | undefined;
  readonly #changes: StepChange[] = [];
  readonly #events: EventDraft[] = [];
  readonly #dispatches: DispatchDraft[] = [];
  #status: RunStatus;
  #hasStarted = false;
  #error: RunError | null;

  constructor(plan: RunPlan, run: RunState, step?: PlanStep, state?: StepState) {
    this.#plan = plan;
    this.#run = run;
    this.#step = step;
    this.#state = state;
    this.#status = run.status;
    this.#error = run.error;
  }

  event(event: EventDraft): void {
    this.#events.push(event);
  }

  start(claim: Extract<Transition, { kind: "claim" }>): void {
    const { step, state } = this.#current();
    this.#run.states.set(step.index, STATE.running);
    if (this.#status !== "running") {
      this.#hasStarted = this.#status === "queued";
      this.#status = "running";
      if (this.#hasStarted) this.event({ type: "run.started", data: {} });
    }
    const { token, workerId, sandboxLevel } = claim;
    this.#changes.push({ type: "start", ...keyOf(state), token, workerId, sandboxLevel });
    this.#stepEvent("step.started", { workerId });
  }

  end(letter: StateLetter, event: { type: string; data: EventDraft["data"] }, result: EndResult = {}): void {
    const { step, state } = this.#current();
    this.#run.states.set(step.index, letter);
    const status = letter === STATE.succeeded ? "succeeded" : letter === STATE.skipped ? "skipped" : "failed";
    const { output, outputArtifactId, error, inputs } = result;
    this.#changes.push({ type: "end", ...keyOf(state), status, output, outputArtifactId, error, inputs });
    this.#stepEvent(event.type, event.data);
    this.settle([step.index], 0);
  }

  fail(cause: RunError, result: EndResult): void {
    const { step, state } = this.#current();
    const error: RunError = { ...cause, stepId: step.id, attempt: state.attempt };
    if (step.onError === "fail") this.#error ??= error;
    const letter = step.onError === "continue" ? STATE.tolerated : STATE.failed;
    this.end(
      letter,
      { type: "step.failed", data: { error: errorData(error) } },
      { inputs: result.inputs, error },
    );
  }

  retry(error: RunError, random: number): void {
    const { step, state } = this.#current();
    this.requeue(error, retryDelayMs(step.retry, chargedAttempts(state), random), state);
  }

  requeue(cause: RunError, delayMs: number, counts: Pick<StepState, "lostCount" | "releasedCount">): void {
    const { step, state } = this.#current();
    const error: RunError = { ...cause, stepId: step.id, attempt: state.attempt };
    this.#run.states.set(step.index, STATE.queued);
    const attempt = state.attempt + 1;
    this.#changes.push({ type: "archive", ...keyOf(state), attempt: state.attempt, error });
    this.#changes.push({ type: "queue", ...keyOf(state), attempt, delayMs, ...countsOf(counts) });
    this.#dispatches.push({ ...keyOf(state), attempt, delayMs });
    this.#stepEvent("step.retrying", { error: errorData(error), nextAttempt: attempt, delayMs });
  }

  lose(): void {
    const { state } = this.#current();
    const error: RunError = { code: "worker_lost", message: "The worker that ran the step is gone" };
    const lostCount = state.lostCount + 1;
    if (lostCount >= MAX_LOST_WORKERS)
      this.fail({ ...error, message: `${error.message}, ${lostCount} times` }, {});
    else this.requeue(error, 0, { lostCount, releasedCount: state.releasedCount });
  }

  release(): void {
    const { state } = this.#current();
    const error: RunError = { code: "worker_lost", message: "The worker stopped before the step was done" };
    this.requeue(error, 0, { lostCount: state.lostCount, releasedCount: state.releasedCount + 1 });
  }

  report(transition: Extract<Transition, { kind: "report" }>): void {
    const { step, state } = this.#current();
    if (transition.inputs !== undefined)
      this.#changes.push({ type: "inputs", ...keyOf(state), inputs: transition.inputs });
    for (const event of transition.events) {
      this.event({ ...event, stepId: step.id, attempt: state.attempt, ...itemOf(state) });
    }
  }

  settle(ended: readonly number[] | undefined, delayMs: number): void {
    const { ready, skipped } = settle(this.#plan, this.#run.states, ended);
    for (const index of ready) {
      const key = { stepIndex: index, itemIndex: -1 };
      this.#changes.push({ type: "queue", ...key, attempt: 1, delayMs, lostCount: 0, releasedCount: 0 });
      this.#dispatches.push({ ...key, attempt: 1, delayMs });
      this.event({ type: "step.queued", stepId: stepAt(this.#plan, index).id, attempt: 1, data: {} });
    }
    for (const { index, letter } of skipped) {
      const step = stepAt(this.#plan, index);
      const isBlocked = letter === STATE.blocked;
      const error: RunError | undefined = isBlocked
        ? { code: "dependency_failed", message: "A step that it depends on did not succeed", stepId: step.id }
        : undefined;
      this.#changes.push({ type: "end", stepIndex: index, itemIndex: -1, status: "skipped", error });
      const reason = isBlocked ? "dependency_failed" : "dependency_skipped";
      this.event({ type: "step.skipped", stepId: step.id, data: { reason } });
    }
  }

  finish(): Advance {
    const outcome = outcomeOf(this.#run.states);
    const isMapped = this.#plan.outputs !== undefined && outcome === "succeeded";
    const error = this.#error;
    const base = {
      error,
      hasStarted: this.#hasStarted,
      changes: this.#changes,
      events: this.#events,
      dispatches: this.#dispatches,
      mustStop: false,
    };
    if (!outcome || isMapped) return { ...base, status: this.#status, isClosing: isMapped };
    this.event({ type: `run.${outcome}`, data: error ? { error: errorData(error) } : {} });
    return { ...base, status: outcome, isClosing: false, ended: {} };
  }

  #current(): { step: PlanStep; state: StepState } {
    if (!this.#step || !this.#state) throw new Error("this transition names no step");
    return { step: this.#step, state: this.#state };
  }

  #stepEvent(type: string, data: EventDraft["data"]): void {
    const { step, state } = this.#current();
    this.event({ type, stepId: step.id, attempt: state.attempt, ...itemOf(state), data });
  }
}

interface EndResult {
  readonly output?: Extract<Transition, { kind: "succeed" }>["output"];
  readonly outputArtifactId?: string;
  readonly error?: RunError;
  readonly inputs?: Extract<Transition, { kind: "fail" }>["inputs"];
}

function keyOf(state: StepState): { stepIndex: number; itemIndex: number } {
  return { stepIndex: state.stepIndex, itemIndex: state.itemIndex };
}

function countsOf(counts: Pick<StepState, "lostCount" | "releasedCount">) {
  return { lostCount: counts.lostCount, releasedCount: counts.releasedCount };
}

function itemOf(state: StepState): { itemIndex?: number } {
  return state.itemIndex < 0 ? {} : { itemIndex: state.itemIndex };
}
