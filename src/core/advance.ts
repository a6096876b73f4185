import { decideStep, holdStep, pauseStep, wakeStep } from "./advance-waits.js";
import type { ApprovalState } from "./approval.js";
import type { RunPlan } from "./plan.js";
import { type DraftStep, errorData, RunDraft } from "./run-draft.js";
import { indicesOf, outcomeOf, stepAt } from "./settle.js";
import { isRunTerminal, type RunError, type RunStatus } from "./statuses.js";
import { STATE } from "./step-states.js";
import { MAX_WORKFLOW_DEPTH } from "./workflow-reference.js";
import type {
  Advance,
  OpenItem,
  Refusal,
  RunState,
  StepState,
  StepTransition,
  Stop,
  Transition,
} from "./transition.js";

/** After this many workers died under one step, the step itself is taken for the cause, whatever else has died. */
export const MAX_LOST_WORKERS = 3;

/**
 * A step under which so many have died is a suspect. It fails when no worker dies without it
 * (`src/services/engine/lost-steps.ts`); else it runs alone on its worker: whether it is the cause or was only near, the
 * next death tells. One is not enough: a worker that crashes leaves many steps, which need not go one by one.
 */
export const LOST_WORKERS_OF_SUSPECT = MAX_LOST_WORKERS - 1;

/** What a transition works on. `step` is the row that the transition names; `whole` the one of an item's `forEach`. */
export interface AdvanceInput {
  readonly plan: RunPlan;
  /** Its `states` are changed in place. */
  readonly run: RunState;
  readonly step?: StepState;
  readonly whole?: StepState;
  /** For a stop: the run's open items, in their order. */
  readonly openItems?: readonly OpenItem[];
  readonly transition: Transition;
  /** A number in [0, 1) for the jitter of a retry. */
  readonly random: number;
}

/**
 * The engine's whole judgement: what a transition does to a run. Pure: no clock, no I/O; time comes in as
 * `step.waitMs` and `step.isDue`, chance as `random`. Whoever calls holds the run's row lock.
 */
export function advance(input: AdvanceInput): Advance {
  const { plan, run, transition, openItems = [] } = input;
  if (isRunTerminal(run.status)) return refuse(run, { reason: "ended" });
  switch (transition.kind) {
    case "admit":
      return admitRun(plan, run);
    case "cancel": {
      const message = transition.reason ?? "The run was canceled";
      return stopRun(plan, run, "canceled", { code: "canceled", message }, transition, openItems);
    }
    case "expire":
      return stopRun(plan, run, "failed", transition.error, transition, openItems);
    case "close":
      return closeRun(run, transition);
    default:
      return advanceStep(input, transition);
  }
}

/** How a new run begins. */
export interface BeginOptions {
  readonly delayMs: number;
  /** It waits for its turn: nothing is queued before it is admitted. */
  readonly isHeld?: boolean;
  /** Steps whose result an older run has left, by their index, with the letter it had. */
  readonly reused?: ReadonlyMap<number, typeof STATE.succeeded | typeof STATE.skipped>;
}

/** The facts of a new run: every step that depends on nothing is queued. */
export function beginRun(plan: RunPlan, run: RunState, options: BeginOptions): Advance {
  const draft = new RunDraft(plan, run);
  const { delayMs, isHeld = false, reused } = options;
  draft.event({
    type: "run.queued",
    data: { ...(delayMs > 0 ? { delayMs } : {}), ...(isHeld ? { held: true } : {}) },
  });
  for (const [index, letter] of reused ?? []) {
    run.states.set(index, letter);
    const type = letter === STATE.succeeded ? "step.succeeded" : "step.skipped";
    draft.event({ type, stepId: stepAt(plan, index).id, data: { reused: true } });
  }
  if (!isHeld) draft.settle(undefined, delayMs);
  return draft.finish();
}

/** Queues a held run's first steps. */
function admitRun(plan: RunPlan, run: RunState): Advance {
  const { states } = run;
  const hasBegun = plan.steps.some(
    ({ index }) => !states.isEnded(index) && states.get(index) !== STATE.pending,
  );
  if (run.status !== "queued" || hasBegun) return refuse(run, { reason: "stale" });
  const draft = new RunDraft(plan, run);
  draft.settle(undefined, 0);
  return { ...draft.finish(), isNewFlow: true };
}

/** Steps are stopped at once; `finally` steps still run, and a second stop ends those too. */
function stopRun(
  plan: RunPlan,
  run: RunState,
  ending: "canceled" | "failed",
  error: RunError,
  { ifEnding }: Stop,
  openItems: readonly OpenItem[],
): Advance {
  if (ifEnding !== undefined && ifEnding !== run.ending) return refuse(run, { reason: "stale" });
  const draft = new RunDraft(plan, run);
  const later = ending === "failed" ? (["onFailure", "finally"] as const) : (["finally"] as const);
  const [first] = later.flatMap((phase) => indicesOf(plan, phase));
  const isFirstStop = run.ending === null && run.status !== "queued";
  const below = isFirstStop && first !== undefined ? first : plan.steps.length;
  draft.stopSteps(below, run.ending ?? ending, error, openItems);
  draft.settle([], 0);
  return draft.finish();
}

function closeRun(run: RunState, transition: Extract<Transition, { kind: "close" }>): Advance {
  const outcome = outcomeOf(run.states, run.ending);
  if (!outcome) return refuse(run, { reason: "stale" });
  const status: RunStatus = outcome === "succeeded" && transition.error ? "failed" : outcome;
  return {
    ...nothing(run),
    status,
    error: transition.error ?? run.error,
    ended: { output: transition.output },
    events: [{ type: `run.${status}`, data: transition.error ? { error: errorData(transition.error) } : {} }],
  };
}

function refuse(run: RunState, refusal: Refusal): Advance {
  return { ...nothing(run), refusal };
}

function nothing(run: RunState): Advance {
  return {
    status: run.status,
    error: run.error,
    ending: run.ending,
    hasStarted: false,
    isClosing: false,
    isNewFlow: false,
    performed: 0,
    changes: [],
    events: [],
    dispatches: [],
  };
}

function advanceStep(input: AdvanceInput, transition: StepTransition): Advance {
  const { plan, run, step: state, whole } = input;
  if (!state || run.states.isEnded(transition.stepIndex)) return refuse(run, { reason: "stale" });
  const refusal = judgeState(state, transition);
  if (refusal) return refuse(run, refusal);
  const step = stepAt(plan, transition.stepIndex);
  const target = { step, state, whole };
  const draft = new RunDraft(plan, run);
  if (isBeginning(transition) && isUnwanted(target)) {
    draft.end(target, STATE.canceled, { reason: "another_item_failed" });
    draft.refuse({ reason: "stale" });
  } else {
    applyToStep(draft, target, transition, input);
  }
  return draft.finish();
}

/** Whether a queued attempt would start: with a worker, a wait or a run. */
function isBeginning({ kind }: StepTransition): boolean {
  return kind === "claim" || kind === "perform" || kind === "hold" || kind === "call";
}

/** Items that were queued when another of them failed do not start. */
function isUnwanted({ step, whole }: DraftStep): boolean {
  return whole?.fanOut?.error != null && step.onError === "fail";
}

/** Why a step's row does not allow a transition. */
function judgeState(state: StepState, transition: StepTransition): Refusal | undefined {
  switch (transition.kind) {
    case "claim":
    case "perform":
    case "skip":
    case "failQueued":
    case "expand":
    case "hold":
    case "call":
      if (state.status !== "queued" || state.attempt !== transition.attempt) return { reason: "stale" };
      // timers go by the database's clock: a worker whose clock is ahead comes too early (BullMQ trusts clients)
      if (state.waitMs > 0 && transition.kind !== "skip" && transition.kind !== "failQueued")
        return { reason: "early", waitMs: state.waitMs };
      return undefined;
    case "join": {
      const { fanOut } = state;
      return state.status === "running" && fanOut?.ended === fanOut?.total ? undefined : { reason: "stale" };
    }
    case "wake":
      return state.isDue && (state.status === "waiting" || state.childRunId !== null)
        ? undefined
        : { reason: "stale" };
    case "decide":
      return state.status === "waiting" ? judgeDecision(state.approval, transition) : { reason: "stale" };
    case "return":
      return state.status === "running" && state.childRunId === transition.childRunId
        ? undefined
        : { reason: "stale" };
    default:
      return holdsToken(state, transition) ? undefined : { reason: "stale" };
  }
}

/** Whether the attempt is still the one that this token was given; suspended ones keep theirs. */
function holdsToken(
  state: StepState,
  { kind, token }: Extract<StepTransition, { readonly token: string }>,
): boolean {
  if (state.leaseToken !== token) return false;
  return state.status === "running" || (state.status === "waiting" && kind !== "suspend");
}

function judgeDecision(
  approval: ApprovalState | null,
  { decision }: Extract<Transition, { kind: "decide" }>,
): Refusal | undefined {
  if (!approval) return { reason: "stale" };
  return approval.decisions.some(({ userId }) => userId === decision.userId)
    ? { reason: "decided" }
    : undefined;
}

function applyToStep(
  draft: RunDraft,
  target: DraftStep,
  transition: StepTransition,
  { run, random }: AdvanceInput,
): void {
  const { state } = target;
  switch (transition.kind) {
    case "claim":
      return draft.start(target, transition);
    case "perform":
      draft.start(target, transition);
      draft.offer(transition.next);
      return draft.end(target, STATE.succeeded, {}, transition);
    case "skip":
      return draft.end(target, STATE.skipped, { reason: "condition" });
    case "failQueued":
      return draft.fail(target, transition.error, {});
    case "expand":
      draft.change({ type: "expand", stepIndex: state.stepIndex, itemIndex: -1, items: transition.items });
      return draft.expand(target, transition.items.length);
    case "join":
      if (transition.error) return draft.fail(target, transition.error, {});
      return draft.end(target, STATE.succeeded, {}, transition);
    case "hold":
    case "suspend":
      return holdStep(draft, target, transition);
    case "pause":
      return pauseStep(draft, target, transition);
    case "wake":
      return wakeStep(draft, target, random);
    case "decide":
      return decideStep(draft, target, transition);
    case "call":
      return callRun(draft, target, transition, run);
    case "return":
      return returnFromRun(draft, target, transition, random);
    case "succeed":
      draft.offer(transition.next);
      return draft.end(target, STATE.succeeded, transition.isCacheHit ? { cacheHit: true } : {}, transition);
    case "fail":
      return draft.failOrRetry(target, transition.error, { ...transition, random });
    case "report":
      return report(draft, target, transition);
    case "lose":
      return loseWorker(draft, target, transition.delayMs);
    case "release":
      return draft.requeue(
        target,
        { code: "worker_lost", message: "The worker stopped before the step was done" },
        0,
        { lostCount: state.lostCount, releasedCount: state.releasedCount + 1 },
      );
  }
}

function callRun(
  draft: RunDraft,
  target: DraftStep,
  call: Extract<Transition, { kind: "call" }>,
  run: RunState,
): void {
  const { stepIndex, itemIndex } = target.state;
  if (run.depth >= MAX_WORKFLOW_DEPTH) {
    const message = `Workflows run within each other at most ${MAX_WORKFLOW_DEPTH} deep`;
    return draft.fail(target, { code: "invalid_input", message }, {});
  }
  const { childRunId, inputs, timeoutSeconds } = call;
  draft.setLetter(target, STATE.running);
  draft.startRun();
  draft.change({ type: "call", stepIndex, itemIndex, childRunId, inputs, timeoutSeconds });
  draft.stepEvent(target, "step.started", { childRunId });
}

function returnFromRun(
  draft: RunDraft,
  target: DraftStep,
  child: Extract<Transition, { kind: "return" }>,
  random: number,
): void {
  if (child.status === "succeeded")
    return draft.end(target, STATE.succeeded, { childRunId: child.childRunId }, { output: child.output });
  const isCanceled = child.status === "canceled";
  const message = child.error?.message ?? `The run ${child.childRunId} has ${child.status}`;
  const code = isCanceled ? "canceled" : (child.error?.code ?? "internal");
  const details = { childRunId: child.childRunId };
  draft.failOrRetry(target, { code, message, details }, { isRetryable: !isCanceled, random });
}

function report(
  draft: RunDraft,
  { step, state }: DraftStep,
  { inputs, events }: Extract<Transition, { kind: "report" }>,
): void {
  const { stepIndex, itemIndex, attempt } = state;
  if (inputs !== undefined) draft.change({ type: "inputs", stepIndex, itemIndex, inputs });
  const item = itemIndex < 0 ? {} : { itemIndex };
  for (const event of events) draft.event({ ...event, stepId: step.id, attempt, ...item });
}

function loseWorker(draft: RunDraft, target: DraftStep, delayMs = 0): void {
  const { state } = target;
  const error: RunError = { code: "worker_lost", message: "The worker that ran the step is gone" };
  const lostCount = state.lostCount + 1;
  if (lostCount >= MAX_LOST_WORKERS)
    return draft.fail(target, { ...error, message: `${error.message}, ${lostCount} times` }, {});
  draft.requeue(target, error, delayMs, { lostCount, releasedCount: state.releasedCount });
}
