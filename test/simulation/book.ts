import { type AdvanceInput, type BeginOptions, MAX_LOST_WORKERS } from "../../src/core/advance.js";
import type { ApprovalState } from "../../src/core/approval.js";
import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import { stepAt } from "../../src/core/settle.js";
import type { StepStatus } from "../../src/core/statuses.js";
import type {
  Advance,
  ApprovalDecisionFact,
  RunState,
  StepChange,
  StepKey,
  Transition,
} from "../../src/core/transition.js";
import type { EventLoop } from "./event-loop.js";
import { mayStart } from "./may-start.js";
import { rowKey } from "./tables.js";
import { ensure } from "./violation.js";

/** What the book knows of one step run. */
export interface StepEntry {
  status: StepStatus;
  attempt: number;
  lost: number;
  released: number;
  token: string | null;
  availableAt: number;
  dueAt: number | null;
  /** As it was asked for. */
  approval: ApprovalState | null;
  /** Who has approved since. */
  approvers: string[];
  childRunId: string | null;
  isFanOut: boolean;
}

/** What the book knows of one run. */
export interface RunEntry {
  readonly id: string;
  readonly plan: RunPlan;
  readonly steps: Map<number, StepEntry>;
  isHeld: boolean;
  isEnded: boolean;
  /** When it was first stopped. */
  stoppedAt: number | null;
}

/** How long `finally` steps of a stopped run may take. */
export const ENDING_TIMEOUT_MS = 15 * 60_000;
const ENDED: readonly StepStatus[] = ["succeeded", "failed", "skipped", "canceled"];
const FENCED = ["succeed", "fail", "report", "lose", "release", "pause", "suspend"] as const;

/** A run once a transition is worked out. */
interface RunAfter {
  readonly letters: string;
  readonly ending: RunState["ending"];
}

type ChangeOf<Type extends StepChange["type"]> = Extract<StepChange, { type: Type }>;

/**
 * A second account of every run, kept from what the core says it does, change by change. It knows who holds which
 * lease and what may follow on what, and objects at once when the core does something else.
 */
export class Book {
  readonly runs = new Map<string, RunEntry>();
  /** Runs that have not ended. */
  openRuns = 0;
  readonly #loop: EventLoop;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** A run begins. */
  begin(runId: string, plan: RunPlan, run: RunState, options: BeginOptions, result: Advance): void {
    ensure(!this.runs.has(runId), "crash", () => `${runId} begins twice`);
    const { isHeld = false, reused, delayMs } = options;
    const entry: RunEntry = {
      id: runId,
      plan,
      steps: new Map(),
      isHeld,
      isEnded: false,
      stoppedAt: null,
    };
    this.runs.set(runId, entry);
    this.openRuns += 1;
    for (const [index, letter] of reused ?? [])
      this.#set(
        entry,
        { stepIndex: index, itemIndex: -1 },
        { status: letter === "s" ? "succeeded" : "skipped" },
      );
    const after = { letters: run.states.toString(), ending: result.ending };
    for (const change of result.changes) this.#take(entry, change, undefined, after, delayMs);
    this.#end(entry, result);
  }

  /** A transition was judged. */
  advance({ run, transition }: AdvanceInput, result: Advance): void {
    const entry = this.runs.get(run.id);
    if (!entry) return;
    const isDone = !result.refusal || result.changes.length > 0 || result.events.length > 0;
    if (!isDone) return;
    ensure(!entry.isEnded, "I3", () => `${transition.kind} changes ${run.id}, which has ended`);
    if (!result.refusal) this.#judge(entry, transition);
    const after = { letters: run.states.toString(), ending: result.ending };
    for (const change of result.changes) this.#take(entry, change, transition, after, 0);
    this.#end(entry, result);
  }

  /** What is known of a step run; undefined: nothing has happened to it. */
  stepOf(entry: RunEntry, key: StepKey): StepEntry | undefined {
    return entry.steps.get(rowKey(key.stepIndex, key.itemIndex));
  }

  #end(entry: RunEntry, { ended }: Advance): void {
    if (!ended) return;
    entry.isEnded = true;
    this.openRuns -= 1;
  }

  /** Whether a transition may have been accepted. */
  #judge(entry: RunEntry, transition: Transition): void {
    if (transition.kind === "admit") entry.isHeld = false;
    if (transition.kind === "cancel" || transition.kind === "expire") this.#judgeStop(entry, transition);
    if (!("stepIndex" in transition)) return;
    const step = this.stepOf(entry, transition);
    const name = () => `${transition.kind} of ${nameOf(entry, transition)}`;
    ensure(step !== undefined, "I2", () => `${name()} is accepted, which is unknown`);
    if (ENDED.includes(step.status))
      ensure(
        false,
        step.status === "succeeded" ? "I1" : "I3",
        () => `${name()} is accepted: it is ${step.status}`,
      );
    if (FENCED.some((kind) => kind === transition.kind))
      ensure(
        "token" in transition && step.token === transition.token,
        "I2",
        () => `${name()}: not the holder's`,
      );
    if (transition.kind === "suspend")
      ensure(step.status === "running", "I2", () => `${name()}: it is ${step.status}`);
    if ("attempt" in transition)
      ensure(
        step.status === "queued" && step.attempt === transition.attempt,
        "I2",
        () => `${name()}, attempt ${transition.attempt}: it is ${step.status}, attempt ${step.attempt}`,
      );
    if (["claim", "perform", "hold", "call", "expand"].includes(transition.kind))
      ensure(
        step.availableAt <= this.#loop.now,
        "I6",
        () => `${name()} ${step.availableAt - this.#loop.now} ms early`,
      );
    if (["claim", "perform", "hold", "call"].includes(transition.kind))
      this.#ensureWanted(entry, transition, name);
    if (transition.kind === "wake")
      ensure((step.dueAt ?? Infinity) <= this.#loop.now, "I6", () => `${name()}, which is not due`);
    if (transition.kind === "return")
      ensure(
        step.childRunId === transition.childRunId,
        "I2",
        () => `${name()} from a run that it does not wait for`,
      );
    if (transition.kind === "decide") judgeDecision(step, transition.decision, name);
    if (transition.kind === "join") this.#judgeJoin(entry, transition);
  }

  /** A second stop ends `finally` steps: only people may ask for it, or the clock, once those had their time. */
  #judgeStop(entry: RunEntry, transition: Extract<Transition, { kind: "cancel" | "expire" }>): void {
    const isByPeople = transition.kind === "cancel" && transition.reason === undefined;
    const isLate =
      transition.kind === "expire" && this.#loop.now >= (entry.stoppedAt ?? 0) + ENDING_TIMEOUT_MS;
    ensure(
      entry.stoppedAt === null || isByPeople || isLate,
      "outcome",
      () => `${entry.id} is stopped a second time (${transition.kind}), which nobody asked for`,
    );
    entry.stoppedAt ??= this.#loop.now;
  }

  /** Items that were queued when another of them failed do not begin. */
  #ensureWanted(entry: RunEntry, { stepIndex, itemIndex }: StepKey, name: () => string): void {
    if (itemIndex < 0 || stepAt(entry.plan, stepIndex).onError === "continue") return;
    const hasFailed = [...this.#items(entry, stepIndex)].some((item) => item.status === "failed");
    ensure(!hasFailed, "outcome", () => `${name()}, although another item has failed`);
  }

  #judgeJoin(entry: RunEntry, key: StepKey): void {
    const open = [...this.#items(entry, key.stepIndex)].filter((item) => !ENDED.includes(item.status));
    ensure(open.length === 0, "outcome", () => `${nameOf(entry, key)} is joined while items are open`);
  }

  /** Whether a change may follow on what was before, and what it leaves. */
  #take(
    entry: RunEntry,
    change: StepChange,
    transition: Transition | undefined,
    run: RunAfter,
    delayMs: number,
  ): void {
    const before = this.stepOf(entry, change);
    const name = () => `${change.type} of ${nameOf(entry, change)}`;
    if (before && ENDED.includes(before.status) && change.type !== "cancelItems" && change.type !== "fanOut")
      ensure(
        false,
        before.status === "succeeded" ? "I1" : "I3",
        () => `${name()}, which is ${before.status}`,
      );
    switch (change.type) {
      case "start":
        ensure(
          before?.status === (change.isEager ? undefined : "queued"),
          "I2",
          () => `${name()}: ${before?.status}`,
        );
        if (change.isEager) this.#ensureMayStart(entry, change, run);
        return this.#set(entry, change, { ...before, status: "running", token: change.token });
      case "queue":
        return this.#queue(entry, change, before, transition, run, delayMs);
      case "addItem":
        ensure(before === undefined, "I1", () => `${name()} a second time`);
        return this.#set(entry, change, {
          status: change.start ? "running" : "queued",
          token: change.start?.token ?? null,
          availableAt: this.#loop.now,
        });
      case "expand":
        return this.#set(entry, change, { ...before, status: "running", isFanOut: true });
      case "hold": {
        const { dueMs, approval = null } = change.hold;
        const dueAt = dueMs === undefined ? null : this.#loop.now + dueMs;
        const token = transition?.kind === "suspend" ? (before?.token ?? null) : null;
        return this.#set(entry, change, { ...before, status: "waiting", token, dueAt, approval });
      }
      case "approval":
        return;
      case "call": {
        const { timeoutSeconds, childRunId } = change;
        const dueAt = timeoutSeconds === undefined ? null : this.#loop.now + timeoutSeconds * 1000;
        return this.#set(entry, change, { ...before, status: "running", dueAt, childRunId });
      }
      case "end":
        return this.#endStep(entry, change, before, transition, run);
      case "cancelItems":
        for (const item of this.#items(entry, change.stepIndex))
          if (!ENDED.includes(item.status))
            Object.assign(item, { status: "canceled", token: null, dueAt: null });
        return;
      case "fanOut":
        return this.#count(entry, change);
      case "archive":
        ensure(
          before?.attempt === change.attempt,
          "outcome",
          () => `${name()}: attempt ${change.attempt} is not its own`,
        );
        return;
      case "inputs":
        return;
    }
  }

  #queue(
    entry: RunEntry,
    change: ChangeOf<"queue">,
    before: StepEntry | undefined,
    transition: Transition | undefined,
    run: RunAfter,
    delayMs: number,
  ): void {
    const name = nameOf(entry, change);
    const { attempt, lostCount: lost, releasedCount: released } = change;
    ensure(!entry.isHeld, "I6", () => `${name} is queued in a run that was not admitted`);
    if (!before) {
      ensure(attempt === 1, "I2", () => `${name} begins with attempt ${attempt}`);
      this.#ensureMayStart(entry, change, run);
    } else {
      // approved, it goes on from where it paused
      const isResumed = transition?.kind === "decide" && before.approval?.grants !== undefined;
      // suspended, it waits and keeps its lease
      const isSuspended = before.status === "waiting" && before.token !== null;
      const expected = isResumed || isSuspended ? "waiting" : "running";
      ensure(before.status === expected, "I2", () => `${name} is queued again: it is ${before.status}`);
      ensure(attempt === before.attempt + 1, "I2", () => `${name} goes from ${before.attempt} to ${attempt}`);
      const isLost = transition?.kind === "lose";
      const isReleased = isResumed || transition?.kind === "release";
      const isCounted =
        lost === before.lost + (isLost ? 1 : 0) && released === before.released + (isReleased ? 1 : 0);
      ensure(isCounted, "outcome", () => `${name}: lost and released attempts are miscounted`);
      if (!isLost && !isReleased) {
        const { maxAttempts } = stepAt(entry.plan, change.stepIndex).retry;
        ensure(
          chargedOf(before) < maxAttempts,
          "outcome",
          () => `${name} has more than ${maxAttempts} attempts`,
        );
      }
    }
    const availableAt = this.#loop.now + Math.max(delayMs, change.delayMs);
    this.#set(entry, change, { status: "queued", attempt, lost, released, availableAt });
  }

  #endStep(
    entry: RunEntry,
    change: ChangeOf<"end">,
    before: StepEntry | undefined,
    transition: Transition | undefined,
    run: RunAfter,
  ): void {
    const name = () => `${nameOf(entry, change)} ends as ${change.status}`;
    const step = stepAt(entry.plan, change.stepIndex);
    if (!before) {
      ensure(
        change.status === "skipped" || change.status === "canceled",
        "I6",
        () => `${name()} without a start`,
      );
      if (change.status === "skipped" && run.ending === null)
        ensure(this.#verdict(entry, step, run) === "never", "I6", () => `${name()}: it may start`);
    }
    const from = before?.status ?? "pending";
    if (change.status === "succeeded")
      ensure(from === "running" || from === "waiting", "I2", () => `${name()}: it is ${from}`);
    if (change.status === "skipped") ensure(from !== "running", "I2", () => `${name()}: it is ${from}`);
    if (before) judgeEnd(before, change, step, transition, name);
    const ended = { status: change.status, token: null, dueAt: null, childRunId: before?.childRunId ?? null };
    this.#set(entry, change, { ...before, ...ended });
    if (change.itemIndex >= 0 || !before?.isFanOut || change.status === "canceled") return;
    const open = [...this.#items(entry, change.stepIndex)].some((item) => !ENDED.includes(item.status));
    ensure(!open, "outcome", () => `${name()} while items are open`);
  }

  #count(entry: RunEntry, { fanOut, ...key }: ChangeOf<"fanOut">): void {
    const items = [...this.#items(entry, key.stepIndex)];
    const ended = items.filter((item) => ENDED.includes(item.status)).length;
    const failed = items.filter((item) => item.status === "failed").length;
    // the item that follows on an ended one is added right after the count
    const isNext = fanOut.next === items.length || fanOut.next === items.length + 1;
    const isRight = fanOut.ended === ended && fanOut.failed === failed && isNext;
    ensure(
      isRight,
      "outcome",
      () => `${nameOf(entry, key)} counts ${JSON.stringify(fanOut)}, has ${ended} ended`,
    );
  }

  #verdict(entry: RunEntry, step: PlanStep, run: RunAfter): string {
    return mayStart(entry.plan, run.letters, step, run.ending);
  }

  #ensureMayStart(entry: RunEntry, key: StepKey, run: RunAfter): void {
    const step = stepAt(entry.plan, key.stepIndex);
    if (key.itemIndex >= 0) return;
    const verdict = this.#verdict(entry, step, run);
    ensure(verdict === "yes", "I6", () => `${nameOf(entry, key)} starts (${run.letters}): ${verdict}`);
  }

  *#items(entry: RunEntry, stepIndex: number): Generator<StepEntry> {
    for (let item = 0; ; item += 1) {
      const known = entry.steps.get(rowKey(stepIndex, item));
      if (!known) return;
      yield known;
    }
  }

  #set(entry: RunEntry, key: StepKey, values: Partial<StepEntry>): void {
    const fresh: StepEntry = {
      status: "pending",
      attempt: 1,
      lost: 0,
      released: 0,
      token: null,
      availableAt: 0,
      dueAt: null,
      approval: null,
      approvers: [],
      childRunId: null,
      isFanOut: false,
    };
    entry.steps.set(rowKey(key.stepIndex, key.itemIndex), Object.assign(fresh, values));
  }
}

function judgeDecision(step: StepEntry, given: ApprovalDecisionFact, name: () => string): void {
  const { decision, userId } = given;
  ensure(
    !step.approvers.includes(userId),
    "outcome",
    () => `${name()} by ${userId}, who has approved before`,
  );
  if (decision === "approve") step.approvers.push(userId);
}

/** Whether what happened may have ended the step like this. */
function judgeEnd(
  before: StepEntry,
  change: ChangeOf<"end">,
  step: PlanStep,
  transition: Transition | undefined,
  name: () => string,
): void {
  const { approval, approvers } = before;
  const { maxAttempts } = step.retry;
  if (transition?.kind === "fail" && transition.isRetryable && change.itemIndex === transition.itemIndex)
    ensure(chargedOf(before) >= maxAttempts, "outcome", () => `${name()} before its ${maxAttempts} attempts`);
  if (transition?.kind === "lose" && change.itemIndex === transition.itemIndex)
    ensure(
      before.lost + 1 >= MAX_LOST_WORKERS,
      "outcome",
      () => `${name()} after ${before.lost + 1} lost workers`,
    );
  const isConviction = transition?.kind === "failQueued" && transition.error.code === "worker_lost";
  if (isConviction && change.itemIndex === transition.itemIndex)
    ensure(
      before.lost === MAX_LOST_WORKERS - 1,
      "outcome",
      () => `${name()} after ${before.lost} lost workers`,
    );
  if (!approval || change.status !== "succeeded") return;
  const isByTime = transition?.kind === "wake" && approval.onExpiry === "approve";
  const isByPeople = approvers.length >= approval.required;
  ensure(isByTime || isByPeople, "outcome", () => `${name()} with ${approvers.length} approvals`);
}

function chargedOf({ attempt, lost, released }: StepEntry): number {
  return attempt - lost - released;
}

function nameOf({ id, plan }: RunEntry, { stepIndex, itemIndex }: StepKey): string {
  const item = itemIndex < 0 ? "" : `[${itemIndex}]`;
  return `${id}/${plan.steps[stepIndex]?.id}${item}`;
}
