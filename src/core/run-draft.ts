import type { JsonValue } from "./json.js";
import { DEFAULT_MAX_PARALLEL, type PlanStep, type RunPlan } from "./plan.js";
import { retryDelayMs } from "./retry.js";
import { outcomeOf, settle, stepAt } from "./settle.js";
import type { RunError, RunStatus } from "./statuses.js";
import { STATE, type StateLetter } from "./step-states.js";
import type {
  Advance,
  AtHand,
  DispatchDraft,
  EventDraft,
  FanOut,
  FreeWorker,
  OpenItem,
  Refusal,
  RunState,
  StepChange,
  StepKey,
  StepState,
} from "./transition.js";

/** What ends with a step, beside its status. */
export interface StepResult {
  readonly output?: Extract<StepChange, { type: "end" }>["output"];
  readonly outputArtifactId?: string;
  readonly error?: RunError;
  readonly inputs?: Extract<StepChange, { type: "end" }>["inputs"];
  readonly isCacheHit?: boolean;
}

/** The step that a transition names: its plan, its row, and for an item of a `forEach` the row of the whole. */
export interface DraftStep {
  readonly step: PlanStep;
  readonly state: StepState;
  readonly whole?: StepState;
}

/** The row of a step that has only just become ready, as far as its end asks after it. */
const FRESH: Omit<StepState, keyof StepKey> = {
  status: "running",
  attempt: 1,
  lostCount: 0,
  releasedCount: 0,
  leaseToken: null,
  waitMs: 0,
  fanOut: null,
  childRunId: null,
  approval: null,
  isDue: false,
};

/** Most steps that one transition performs: the run's lock is not held for longer than that takes. */
const MOST_PERFORMED = 100;

const LETTER_STATUS = { s: "succeeded", k: "skipped", f: "failed", o: "failed", c: "canceled" } as const;

/** Gathers what one transition does to a run: changes, events and dispatches. Pure. */
export class RunDraft {
  readonly #plan: RunPlan;
  readonly #run: RunState;
  readonly #changes: StepChange[] = [];
  readonly #events: EventDraft[] = [];
  readonly #dispatches: DispatchDraft[] = [];
  readonly #wasWaiting: boolean;
  #status: RunStatus;
  #ending: RunState["ending"];
  #hasStarted = false;
  #error: RunError | null;
  #free: FreeWorker | undefined;
  #continued: StepKey | undefined;
  /** Outputs of the steps that have ended in this transition, by their index. */
  readonly #outputs = new Map<number, JsonValue>();
  #performed = 0;
  #joining: number | undefined;
  #refusal: Refusal | undefined;
  #stopBelow: number | undefined;

  constructor(plan: RunPlan, run: RunState) {
    this.#plan = plan;
    this.#run = run;
    this.#status = run.status;
    this.#wasWaiting = run.status === "waiting";
    this.#ending = run.ending;
    this.#error = run.error;
  }

  /** Offers a worker that is about to be free to the first fitting step that becomes ready. */
  offer(free: FreeWorker | undefined): void {
    this.#free = free;
  }

  /** Written nevertheless, while the caller is told that it was refused. */
  refuse(refusal: Refusal): void {
    this.#refusal = refusal;
  }

  change(change: StepChange): void {
    this.#changes.push(change);
  }

  event(event: EventDraft): void {
    this.#events.push(event);
  }

  stepEvent({ step, state }: DraftStep, type: string, data: EventDraft["data"]): void {
    this.event({ type, stepId: step.id, attempt: state.attempt, ...itemOf(state), data });
  }

  /** The run's first sign of life. */
  startRun(): void {
    if (this.#status !== "queued") return;
    this.#hasStarted = true;
    this.#status = "running";
    this.event({ type: "run.started", data: {} });
  }

  setLetter({ step, state }: DraftStep, letter: StateLetter): void {
    // an item's states are its rows'; the letter is the whole's
    if (state.itemIndex < 0) this.#run.states.set(step.index, letter);
  }

  start(target: DraftStep, worker: Omit<FreeWorker, "accepts">): void {
    this.setLetter(target, STATE.running);
    this.startRun();
    const { token, workerId, sandboxLevel } = worker;
    this.change({ type: "start", ...keyOf(target.state), token, workerId, sandboxLevel, isEager: false });
    this.stepEvent(target, "step.started", { workerId });
  }

  end(
    target: DraftStep,
    letter: keyof typeof LETTER_STATUS,
    data: EventDraft["data"],
    result: StepResult = {},
  ): void {
    const status = LETTER_STATUS[letter];
    this.setLetter(target, letter);
    const { output, outputArtifactId, error, inputs, isCacheHit } = result;
    const key = keyOf(target.state);
    if (letter === STATE.succeeded && key.itemIndex < 0 && output !== undefined && !outputArtifactId)
      this.#outputs.set(key.stepIndex, output);
    this.change({ type: "end", ...key, status, output, outputArtifactId, error, inputs, isCacheHit });
    this.stepEvent(target, `step.${status}`, data);
    if (target.state.itemIndex >= 0) this.#endItem(target, status === "failed" ? (error ?? null) : null);
    else this.settle([target.step.index], 0);
  }

  fail(target: DraftStep, cause: RunError, result: Pick<StepResult, "inputs">): void {
    const { step, state } = target;
    const error: RunError = { ...cause, stepId: step.id, attempt: state.attempt };
    const isTolerated = step.onError === "continue";
    if (!isTolerated && state.itemIndex < 0) this.#error ??= error;
    const letter = isTolerated ? STATE.tolerated : STATE.failed;
    this.end(target, letter, { error: errorData(error) }, { inputs: result.inputs, error });
  }

  failOrRetry(
    target: DraftStep,
    cause: RunError,
    options: { isRetryable: boolean; random: number } & Pick<StepResult, "inputs">,
  ): void {
    const { step, state } = target;
    const charged = state.attempt - state.lostCount - state.releasedCount;
    if (!options.isRetryable || charged >= step.retry.maxAttempts) return this.fail(target, cause, options);
    this.requeue(target, cause, retryDelayMs(step.retry, charged, options.random), state);
  }

  requeue(
    target: DraftStep,
    cause: RunError,
    delayMs: number,
    counts: Pick<StepState, "lostCount" | "releasedCount">,
  ): void {
    const { step, state } = target;
    const error: RunError = { ...cause, stepId: step.id, attempt: state.attempt };
    this.setLetter(target, STATE.queued);
    const attempt = state.attempt + 1;
    const key = keyOf(state);
    const { lostCount, releasedCount } = counts;
    this.change({ type: "archive", ...key, attempt: state.attempt, error });
    this.change({ type: "queue", ...key, attempt, delayMs, lostCount, releasedCount });
    this.#dispatches.push({ ...key, attempt, delayMs, ...(lostCount > 0 && { lostCount }) });
    this.stepEvent(target, "step.retrying", { error: errorData(error), nextAttempt: attempt, delayMs });
  }

  /** The items of a `forEach` are known: the first of them are queued. */
  expand(target: DraftStep, items: number): void {
    const { step, state } = target;
    this.setLetter(target, STATE.running);
    this.startRun();
    this.stepEvent(target, "step.started", { items });
    if (items === 0) return this.end(target, STATE.succeeded, {}, { output: [] });
    const next = Math.min(items, step.maxParallel ?? DEFAULT_MAX_PARALLEL);
    for (let item = 0; item < next; item += 1) this.#addItem(target, item);
    const fanOut: FanOut = { total: items, next, ended: 0, failed: 0, error: null };
    this.change({ type: "fanOut", ...keyOf(state), fanOut });
  }

  settle(ended: readonly number[] | undefined, delayMs: number): void {
    const { ready, skipped } = settle(this.#plan, this.#run.states, ended, this.#ending);
    // a reader of the events sees a skip before what it lets go on
    for (const { index, letter } of skipped) {
      const step = stepAt(this.#plan, index);
      const isBlocked = letter === STATE.blocked;
      const error: RunError | undefined = isBlocked
        ? { code: "dependency_failed", message: "A step that it depends on did not succeed", stepId: step.id }
        : undefined;
      this.change({ type: "end", stepIndex: index, itemIndex: -1, status: "skipped", error });
      const reason = isBlocked ? "dependency_failed" : step.phase ? "not_needed" : "dependency_skipped";
      this.event({ type: "step.skipped", stepId: step.id, data: { reason } });
    }
    for (const index of ready) this.#queueFirst(stepAt(this.#plan, index), delayMs);
  }

  /** Ends every open step below an index as canceled, and notes how the run will end. */
  stopSteps(
    below: number,
    ending: "canceled" | "failed",
    cause: RunError,
    openItems: readonly OpenItem[],
  ): void {
    const { states } = this.#run;
    this.#ending = ending;
    this.#error = ending === "canceled" ? cause : (this.#error ?? cause);
    const error: RunError = { ...cause, code: "canceled" };
    for (const index of states.openIndices()) {
      if (index >= below) break;
      const letter = states.get(index);
      if (letter === STATE.running || letter === STATE.queued || letter === STATE.waiting)
        this.#stopBelow = below;
      states.set(index, STATE.canceled);
      const step = stepAt(this.#plan, index);
      this.change({ type: "end", stepIndex: index, itemIndex: -1, status: "canceled", error });
      if (step.forEach) this.#cancelItems(step, error, openItems);
      this.event({ type: "step.canceled", stepId: step.id, data: {} });
    }
  }

  /** Their rows end by one statement; each that has begun has its event. */
  #cancelItems(step: PlanStep, error: RunError, openItems: readonly OpenItem[]): void {
    this.change({ type: "cancelItems", stepIndex: step.index, itemIndex: -1, error });
    for (const { stepIndex, itemIndex, attempt } of openItems)
      if (stepIndex === step.index)
        this.event({ type: "step.canceled", stepId: step.id, itemIndex, attempt, data: {} });
  }

  finish(): Advance {
    const outcome = outcomeOf(this.#run.states, this.#ending);
    const isMapped = this.#plan.outputs !== undefined && outcome === "succeeded";
    if (!outcome) this.#noteWaiting();
    const error = this.#error;
    const ended = outcome && !isMapped ? outcome : undefined;
    if (ended) this.event({ type: `run.${ended}`, data: error ? { error: errorData(error) } : {} });
    return {
      refusal: this.#refusal,
      status: ended ?? this.#status,
      hasStarted: this.#hasStarted,
      error,
      ending: this.#ending,
      ended: ended ? {} : undefined,
      isClosing: isMapped,
      joining: this.#joining,
      continued: this.#continued,
      performed: this.#performed,
      changes: this.#changes,
      events: this.#events,
      dispatches: this.#dispatches,
      isNewFlow: this.#wasWaiting && this.#dispatches.length > 0,
      stopBelow: this.#stopBelow,
    };
  }

  /** A run of which nothing runs and nothing is queued waits, for time or for people. */
  #noteWaiting(): void {
    const { states } = this.#run;
    const isBusy = states.some(STATE.queued) || states.some(STATE.running);
    if (isBusy && this.#status === "waiting") this.#status = "running";
    if (isBusy || this.#status === "waiting" || !states.some(STATE.waiting)) return;
    this.#status = "waiting";
    this.event({ type: "run.waiting", data: {} });
  }

  #queueFirst(step: PlanStep, delayMs: number): void {
    const key = { stepIndex: step.index, itemIndex: -1 };
    this.event({ type: "step.queued", stepId: step.id, attempt: 1, data: {} });
    const mayGoOn = delayMs === 0 && step.forEach === undefined;
    if (mayGoOn && this.#perform(step)) return;
    const free = mayGoOn ? this.#takeFree(step, key) : undefined;
    if (free) {
      const { token, workerId, sandboxLevel } = free;
      this.#run.states.set(step.index, STATE.running);
      this.change({ type: "start", ...key, token, workerId, sandboxLevel, isEager: true });
      this.event({ type: "step.started", stepId: step.id, attempt: 1, data: { workerId } });
      return;
    }
    this.change({ type: "queue", ...key, attempt: 1, delayMs, lostCount: 0, releasedCount: 0 });
    this.#dispatches.push({ ...key, attempt: 1, delayMs });
  }

  /** Ends a step without effects in the transition that makes it ready. @returns whether it was such a step. */
  #perform(step: PlanStep): boolean {
    const free = this.#free;
    if (!free?.perform || this.#performed >= MOST_PERFORMED || !free.accepts(step)) return false;
    const atHand: AtHand | undefined = free.perform(step, (index) => this.#outputs.get(index));
    if (!atHand) return false;
    this.#performed += 1;
    const { token, workerId, sandboxLevel } = free;
    const key = { stepIndex: step.index, itemIndex: -1 };
    this.change({ type: "start", ...key, token, workerId, sandboxLevel, isEager: true });
    this.event({ type: "step.started", stepId: step.id, attempt: 1, data: { workerId } });
    this.end({ step, state: { ...FRESH, ...key } }, STATE.succeeded, {}, atHand);
    return true;
  }

  #takeFree(step: PlanStep, key: StepKey): FreeWorker | undefined {
    const free = this.#free;
    if (!free || this.#continued || !free.accepts(step)) return undefined;
    this.#continued = key;
    return free;
  }

  #addItem({ step }: DraftStep, itemIndex: number): void {
    const key = { stepIndex: step.index, itemIndex };
    this.event({ type: "step.queued", stepId: step.id, itemIndex, attempt: 1, data: {} });
    const free = this.#takeFree(step, key);
    if (!free) {
      this.change({ type: "addItem", ...key });
      this.#dispatches.push({ ...key, attempt: 1, delayMs: 0 });
      return;
    }
    const { token, workerId, sandboxLevel } = free;
    this.change({ type: "addItem", ...key, start: { token, workerId, sandboxLevel } });
    this.event({ type: "step.started", stepId: step.id, itemIndex, attempt: 1, data: { workerId } });
  }

  /** Counts an ended item; queues the next, or ends the whole. */
  #endItem(target: DraftStep, failure: RunError | null): void {
    const { step, whole } = target;
    const before = whole?.fanOut;
    if (!whole || !before) throw new Error("an item without its forEach");
    const error = before.error ?? failure;
    const isFailing = error !== null && step.onError === "fail";
    const next = !isFailing && before.next < before.total ? before.next + 1 : before.next;
    const ended = before.ended + 1;
    const fanOut: FanOut = {
      total: before.total,
      next,
      ended,
      failed: before.failed + (failure ? 1 : 0),
      error,
    };
    this.change({ type: "fanOut", ...keyOf(whole), fanOut });
    if (next > before.next) this.#addItem(target, before.next);
    else if (isFailing && ended === next) this.#failWhole({ step, state: whole }, error);
    else if (ended === before.total) this.#joining = step.index;
  }

  #failWhole(whole: DraftStep, cause: RunError): void {
    const error: RunError = { ...cause, stepId: whole.step.id };
    this.#error ??= error;
    this.end(whole, STATE.failed, { error: errorData(error) }, { error });
  }
}

function keyOf(state: StepKey): StepKey {
  return { stepIndex: state.stepIndex, itemIndex: state.itemIndex };
}

function itemOf(state: StepKey): { itemIndex?: number } {
  return state.itemIndex < 0 ? {} : { itemIndex: state.itemIndex };
}

/** What an event tells of an error. */
export function errorData(error: RunError) {
  return {
    code: error.code,
    message: error.message,
    ...(error.stepId === undefined ? {} : { stepId: error.stepId }),
    ...(error.attempt === undefined ? {} : { attempt: error.attempt }),
  };
}
