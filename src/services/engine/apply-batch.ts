import { advance, beginRun } from "../../core/advance.js";
import type { RunPlan } from "../../core/plan.js";
import type { RunStatus } from "../../core/statuses.js";
import { StepStates } from "../../core/step-states.js";
import type {
  Advance,
  DispatchDraft,
  OpenItem,
  Refusal,
  StepChange,
  StepKey,
  StepState,
  Transition,
} from "../../core/transition.js";
import type { AuditEntry } from "../audit/audit-entry.js";
import { FlushBatch, type NewRun, type RunInFlush } from "./flush-batch.js";
import { type LoadedState, stepKey } from "./load-state.js";

/** One piece of a flush: a transition (and the run that it calls), or a new run. */
export interface FlushItem {
  readonly runId: string;
  readonly versionId: string;
  readonly work:
    | { readonly transition: Transition; readonly child?: NewRun; readonly entry?: AuditEntry }
    | { readonly create: NewRun };
}

/** What became of a transition, once it is committed. */
export interface TransitionOutcome {
  readonly refusal?: Refusal;
  readonly status: RunStatus;
  /** A `close` has to follow: the workflow maps its outputs. */
  readonly isClosing: boolean;
  /** A `join` has to follow: all items of this step have ended. */
  readonly joining?: number;
  /** The step that the worker which was offered goes on with. */
  readonly continued?: StepKey;
  /** How many steps beside the named one began and ended with it. */
  readonly performed?: number;
}

/** What follows a commit: queues and listeners learn of it only now. */
export interface CommittedRun {
  readonly runId: string;
  readonly versionId: string;
  readonly workflowId: string | null;
  readonly plan: RunPlan;
  readonly flow: number;
  /** Its dispatches begin a flow: with a parent job. */
  readonly isFirst: boolean;
  readonly seq: number;
  readonly status: RunStatus;
  readonly isRunEvent: boolean;
  readonly stopBelow: number | undefined;
  /** It was stopped: runs that it has called have to be, too. */
  readonly isStopped: boolean;
  readonly parent: (StepKey & { readonly runId: string }) | undefined;
  readonly concurrencyKey: string | null;
  readonly rateKey: string | null;
  readonly priority: number;
  readonly dispatches: readonly DispatchDraft[];
}

interface Followed {
  readonly versionId: string;
  readonly run: RunInFlush;
  readonly results: Advance[];
}

/** Who judges transitions: the core, with chance for the jitter of retries. The simulator brings its own. */
export interface Judge {
  readonly advance: typeof advance;
  readonly beginRun: typeof beginRun;
  /** A number in [0, 1). */
  random(): number;
}

const CORE: Judge = { advance, beginRun, random: () => Math.random() };

/** Judges everything of a flush, in its order, each on what the one before has left. */
export function applyBatch(
  batch: readonly FlushItem[],
  loaded: LoadedState,
  plans: ReadonlyMap<string, RunPlan>,
  judge: Judge = CORE,
): { batch: FlushBatch; outcomes: TransitionOutcome[]; committed: CommittedRun[] } {
  const flushBatch = new FlushBatch();
  const followed = new Map<string, Followed>();
  function write(versionId: string, run: RunInFlush, result: Advance): void {
    flushBatch.add(run, result);
    const entry = followed.get(run.id) ?? { versionId, run, results: [] };
    entry.results.push(result);
    followed.set(run.id, entry);
  }
  const outcomes = batch.map(({ runId, versionId, work }): TransitionOutcome => {
    const run = "create" in work ? toNewRun(work.create, plans, 0) : loaded.runs.get(runId);
    // gone with an old partition: nothing to do, and nothing that a retry could mend
    if (!run) return { refusal: { reason: "ended" }, status: "canceled", isClosing: false };
    const result =
      "create" in work ? begin(judge, run, work.create) : applyOne(judge, run, work.transition, loaded);
    const { refusal, isClosing, joining, continued, performed } = result;
    if (!refusal || result.changes.length > 0) write(versionId, run, result);
    if ("child" in work && work.child && result.changes.some(({ type }) => type === "call")) {
      const child = toNewRun(work.child, plans, run.depth + 1);
      if (child) write(work.child.versionId, child, begin(judge, child, work.child));
    }
    return { refusal, status: run.status, isClosing, joining, continued, performed };
  });
  return { batch: flushBatch, outcomes, committed: [...followed.values()].map(toCommitted) };
}

function toNewRun(run: NewRun, plans: ReadonlyMap<string, RunPlan>, depth: number): RunInFlush | undefined {
  const plan = plans.get(run.versionId);
  if (!plan) return undefined;
  return {
    id: run.id,
    plan,
    states: StepStates.allPending(plan.steps.length),
    flow: 1,
    priority: run.priority,
    isNew: run,
    depth,
    workflowId: run.workflowId,
    parent: run.parent,
    concurrencyKey: run.admission?.concurrencyKey ?? null,
    rateKey: run.admission?.rateKey ?? null,
    status: "queued",
    error: null,
    ending: null,
    lastSeq: 0,
    hasStarted: false,
    isNewFlow: false,
    output: undefined,
  };
}

function begin(judge: Judge, run: RunInFlush, { delayMs, isHeld, reused }: NewRun): Advance {
  const letters = reused
    ? new Map([...reused.steps].map(([index, { letter }]) => [index, letter] as const))
    : undefined;
  return judge.beginRun(run.plan, run, { delayMs, isHeld, reused: letters });
}

function applyOne(
  judge: Judge,
  run: RunInFlush,
  transition: Transition,
  { steps, openItems }: LoadedState,
): Advance {
  const keys = "stepIndex" in transition ? transition : undefined;
  const step = keys && steps.get(stepKey(run.id, keys.stepIndex, keys.itemIndex));
  const whole = keys && keys.itemIndex >= 0 ? steps.get(stepKey(run.id, keys.stepIndex, -1)) : undefined;
  const stopped = { openItems: openItems.get(run.id), transition };
  const result = judge.advance({ plan: run.plan, run, step, whole, ...stopped, random: judge.random() });
  // later transitions of the same flush must see what this one did to the row
  for (const change of result.changes) {
    const changedKey = stepKey(run.id, change.stepIndex, change.itemIndex);
    const before = steps.get(changedKey);
    if (before) steps.set(changedKey, changed(before, change));
    const items = openItems.get(run.id);
    if (items && change.itemIndex >= 0) openItems.set(run.id, withItem(items, change));
  }
  return result;
}

/** The open items once one of them has changed. */
function withItem(items: readonly OpenItem[], change: StepChange): OpenItem[] {
  const { stepIndex, itemIndex, type } = change;
  const isIt = (item: OpenItem) => item.stepIndex === stepIndex && item.itemIndex === itemIndex;
  if (type === "addItem") return [...items, { stepIndex, itemIndex, attempt: 1 }];
  if (type === "end") return items.filter((item) => !isIt(item));
  if (type !== "queue") return [...items];
  return items.map((item) => (isIt(item) ? { ...item, attempt: change.attempt } : item));
}

function changed(step: StepState, change: StepChange): StepState {
  switch (change.type) {
    case "start":
      return { ...step, status: "running", leaseToken: change.token };
    case "queue":
      return {
        ...step,
        status: "queued",
        attempt: change.attempt,
        leaseToken: null,
        waitMs: change.delayMs,
        lostCount: change.lostCount,
        releasedCount: change.releasedCount,
        childRunId: null,
        isDue: false,
      };
    case "end":
      return { ...step, status: change.status, leaseToken: null, isDue: false };
    case "fanOut":
      return { ...step, status: "running", fanOut: change.fanOut };
    case "hold":
      return { ...step, status: "waiting", leaseToken: null, approval: change.hold.approval ?? null };
    case "approval":
      return { ...step, approval: change.approval };
    case "call":
      return { ...step, status: "running", childRunId: change.childRunId };
    default:
      return step;
  }
}

function toCommitted({ versionId, run, results }: Followed): CommittedRun {
  return {
    runId: run.id,
    versionId,
    workflowId: run.workflowId,
    plan: run.plan,
    flow: run.flow,
    isFirst: run.isNew !== undefined || run.isNewFlow,
    seq: run.lastSeq,
    status: run.status,
    isRunEvent: results.some((result) => result.events.some((event) => event.type.startsWith("run."))),
    stopBelow: results.find((result) => result.stopBelow !== undefined)?.stopBelow,
    isStopped: run.ending !== null,
    parent: run.parent,
    concurrencyKey: run.concurrencyKey,
    rateKey: run.rateKey,
    priority: run.priority,
    dispatches: results.flatMap((result) => result.dispatches),
  };
}
