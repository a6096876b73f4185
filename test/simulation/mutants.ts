import type { AdvanceInput } from "../../src/core/advance.js";
import { stepAt } from "../../src/core/settle.js";
import { isRunTerminal } from "../../src/core/statuses.js";
import { STATE, StepStates } from "../../src/core/step-states.js";
import type { Advance, FanOut, StepState } from "../../src/core/transition.js";
import type { Judge } from "../../src/services/engine/apply-batch.js";
import type { RunInFlush } from "../../src/services/engine/flush-batch.js";
import type { Part } from "./reconciler.js";

/** An engine with a fault: the simulation has to find it. */
export interface Mutant {
  readonly name: string;
  /** The core with a fault around it. */
  mutate?(core: Judge): Judge;
  /** Parts of the reconciler that are missing. */
  readonly without?: readonly Part[];
}

/** The core sees something else than there is. */
function seeing(change: (input: AdvanceInput) => AdvanceInput): Mutant["mutate"] {
  return (core) => ({ ...core, advance: (input) => core.advance(change(input)) });
}

/** The core does something else than it said. */
function doing(change: (result: Advance, input: AdvanceInput) => Advance): Mutant["mutate"] {
  return (core) => ({ ...core, advance: (input) => change(core.advance(input), input) });
}

function withStep(input: AdvanceInput, values: Partial<StepState>): AdvanceInput {
  return input.step ? { ...input, step: { ...input.step, ...values } } : input;
}

function withFanOut(input: AdvanceInput, change: (fanOut: FanOut) => FanOut): AdvanceInput {
  const { whole } = input;
  return whole?.fanOut ? { ...input, whole: { ...whole, fanOut: change(whole.fanOut) } } : input;
}

/** The plan as the core sees it: every step through `change`. */
function withPlan(change: (step: AdvanceInput["plan"]["steps"][number]) => object): Mutant["mutate"] {
  const plans = new WeakMap<AdvanceInput["plan"], AdvanceInput["plan"]>();
  return seeing((input) => {
    let plan = plans.get(input.plan);
    if (!plan) {
      plan = { ...input.plan, steps: input.plan.steps.map((step) => ({ ...step, ...change(step) })) };
      plans.set(input.plan, plan);
    }
    return { ...input, plan };
  });
}

function withoutChanges(type: string): Mutant["mutate"] {
  return doing((result) => ({ ...result, changes: result.changes.filter((change) => change.type !== type) }));
}

/** An attempt's claim, whatever became of the step. */
function forgetEnd(input: AdvanceInput): AdvanceInput {
  const { transition, run } = input;
  if (transition.kind !== "claim" || isRunTerminal(run.status)) return input;
  if (run.states.isEnded(transition.stepIndex)) run.states.set(transition.stepIndex, STATE.queued);
  return withStep(input, { status: "queued", attempt: transition.attempt, waitMs: 0 });
}

function forgetEndOfPerformed(input: AdvanceInput): AdvanceInput {
  const { transition } = input;
  if (transition.kind !== "perform") return input;
  return withStep(input, { status: "queued", attempt: transition.attempt, waitMs: 0 });
}

function dropPerformedEnd(result: Advance): Advance {
  const [last] = result.performed > 0 ? result.changes.filter(({ type }) => type === "end").slice(1) : [];
  return { ...result, changes: result.changes.filter((change) => change !== last) };
}

/** A run that has ended is taken for one that runs. */
function forgetRunEnd(input: AdvanceInput): AdvanceInput {
  const { run } = input;
  if (!isRunTerminal(run.status)) return input;
  return { ...input, run: { ...run, status: "running", states: new StepStates(run.states.toString()) } };
}

/** Steps that wait for more than one wait for the first of them only. */
function forgetDependencies(step: AdvanceInput["plan"]["steps"][number]): object {
  return step.dependencies.length > 1 ? { dependencies: step.dependencies.slice(0, 1) } : {};
}

/** Every engine that has to be found out, each within a thousand seeds. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "results with an old token count",
    mutate: seeing((input) =>
      "token" in input.transition && input.transition.kind !== "claim"
        ? withStep(input, { leaseToken: input.transition.token })
        : input,
    ),
  },
  { name: "a step that has ended is claimed again", mutate: seeing(forgetEnd) },
  { name: "a step that has ended is performed again", mutate: seeing(forgetEndOfPerformed) },
  { name: "what is performed as it becomes ready does not end", mutate: doing(dropPerformedEnd) },
  { name: "transitions of an ended run are accepted", mutate: seeing(forgetRunEnd) },
  { name: "what the queue has lost is not dispatched again", without: ["dispatchMissing"] },
  { name: "steps of dead workers are not given to others", without: ["returnLostSteps"] },
  { name: "nobody joins a forEach whose last worker has died", without: ["joinForgotten"] },
  { name: "nobody closes a run whose last worker has died", without: ["closeForgotten"] },
  { name: "the end of a sub-workflow is not carried on", without: ["carryEnds"] },
  { name: "sub-workflows go on although their caller has ended", without: ["stopOrphans"] },
  { name: "waits are never over", without: ["wakeDue"] },
  { name: "held runs are never admitted", without: ["sweepAdmissions"] },
  { name: "maxParallel is ignored", mutate: withPlan(() => ({ maxParallel: undefined })) },
  { name: "steps start before all that they wait for has ended", mutate: withPlan(forgetDependencies) },
  { name: "runAfter is ignored", mutate: withPlan(() => ({ runAfter: "allDone" })) },
  { name: "onFailure and finally are steps like all others", mutate: withPlan(() => ({ phase: undefined })) },
  { name: "retry.maxAttempts is one too many", mutate: withPlan((step) => moreAttempts(step, 1)) },
  { name: "retry.maxAttempts is one too few", mutate: withPlan((step) => moreAttempts(step, -1)) },
  { name: "a forEach counts one item too many", mutate: countingItems(1) },
  { name: "a forEach forgets to count an item", mutate: countingItems(-1) },
  { name: "a forEach forgets that an item has failed", mutate: seeing((input) => forgetFailure(input)) },
  { name: "event numbers skip", mutate: doing(skipNumber) },
  { name: "a wait ends before its time", mutate: seeing((input) => withStep(input, { isDue: true })) },
  { name: "a late wake ends what does not wait", mutate: seeing(wakeAnything) },
  {
    name: "a retry starts before its delay is over",
    mutate: seeing((input) => withStep(input, { waitMs: 0 })),
  },
  { name: "a run returns to a step that does not wait for it", mutate: seeing(acceptReturn) },
  { name: "one approval is enough", mutate: seeing(lowerBar) },
  { name: "one person may approve twice", mutate: seeing(forgetApprovers) },
  { name: "lost workers are charged to the retry policy", mutate: doing(chargeLoss) },
  { name: "items outlive their canceled forEach", mutate: withoutChanges("cancelItems") },
  { name: "nobody is told of items that are canceled", mutate: doing(hideCanceledItems) },
  { name: "attempts are not kept", mutate: withoutChanges("archive") },
  { name: "the eager step is not marked as started", mutate: doing(dropEagerStart) },
  { name: "a held run is queued at once", mutate: unheld },
  { name: "a reused step is run again", mutate: forgetReuse },
  { name: "a stop of its own accord comes twice and counts twice", mutate: seeing(forgetIfEnding) },
  { name: "a suspended step loses its lease", mutate: doing(dropLease) },
  { name: "a step that waits is suspended again", mutate: seeing(suspendAgain) },
  { name: "what its app sends ends a step in another attempt", mutate: seeing(acceptSubmit) },
  { name: "an expired run counts as canceled", mutate: doing((result) => swapEnding(result)) },
];

function dropLease(result: Advance, { transition }: AdvanceInput): Advance {
  if (transition.kind !== "suspend") return result;
  const changes = result.changes.map((change) =>
    change.type === "hold"
      ? { ...change, hold: { ...change.hold, waitingFor: { reason: "approval", detail: "" } } }
      : change,
  );
  return { ...result, changes };
}

function suspendAgain(input: AdvanceInput): AdvanceInput {
  return input.transition.kind === "suspend" && input.step?.status === "waiting"
    ? withStep(input, { status: "running" })
    : input;
}

function acceptSubmit(input: AdvanceInput): AdvanceInput {
  const { transition, step } = input;
  return transition.kind === "succeed" && step?.status === "waiting" && step.leaseToken !== null
    ? withStep(input, { leaseToken: transition.token })
    : input;
}

function forgetIfEnding(input: AdvanceInput): AdvanceInput {
  const { transition } = input;
  const isStop = transition.kind === "cancel" || transition.kind === "expire";
  return isStop
    ? { ...input, transition: { ...transition, ifEnding: undefined } as typeof transition }
    : input;
}

function hideCanceledItems(result: Advance): Advance {
  const isShown = (event: Advance["events"][number]) =>
    event.type !== "step.canceled" || event.itemIndex === undefined;
  return { ...result, events: result.events.filter(isShown) };
}

function moreAttempts({ retry }: AdvanceInput["plan"]["steps"][number], more: number): object {
  return retry.maxAttempts > 1 ? { retry: { ...retry, maxAttempts: retry.maxAttempts + more } } : {};
}

function countingItems(wrong: number): Mutant["mutate"] {
  return seeing((input) =>
    withFanOut(input, (fanOut) =>
      fanOut.total > 2 ? { ...fanOut, ended: Math.max(0, fanOut.ended + wrong) } : fanOut,
    ),
  );
}

function forgetFailure(input: AdvanceInput): AdvanceInput {
  return withFanOut(input, (fanOut) => ({ ...fanOut, error: null, failed: 0 }));
}

function skipNumber(result: Advance, { run }: AdvanceInput): Advance {
  if (result.events.some(({ type }) => type === "step.retrying")) (run as RunInFlush).lastSeq += 1;
  return result;
}

function wakeAnything(input: AdvanceInput): AdvanceInput {
  const isOpen = input.step !== undefined && !["succeeded", "failed", "skipped"].includes(input.step.status);
  return input.transition.kind === "wake" && isOpen
    ? withStep(input, { status: "waiting", isDue: true })
    : input;
}

function acceptReturn(input: AdvanceInput): AdvanceInput {
  const { transition } = input;
  return transition.kind === "return"
    ? withStep(input, { childRunId: transition.childRunId, status: "running" })
    : input;
}

function lowerBar(input: AdvanceInput): AdvanceInput {
  const approval = input.step?.approval;
  return approval ? withStep(input, { approval: { ...approval, required: 1 } }) : input;
}

function forgetApprovers(input: AdvanceInput): AdvanceInput {
  const approval = input.step?.approval;
  if (!approval) return input;
  const decisions = approval.decisions.map((decision, index) => ({
    ...decision,
    userId: `somebody ${index}`,
  }));
  return withStep(input, { approval: { ...approval, decisions } });
}

function chargeLoss(result: Advance): Advance {
  const changes = result.changes.map((change) =>
    change.type === "queue" ? { ...change, lostCount: 0, releasedCount: 0 } : change,
  );
  return { ...result, changes };
}

function dropEagerStart(result: Advance): Advance {
  const changes = result.changes.filter((change) => change.type !== "start" || !change.isEager);
  return { ...result, changes };
}

function unheld(core: Judge): Judge {
  return {
    ...core,
    beginRun: (plan, run, options) => core.beginRun(plan, run, { ...options, isHeld: false }),
  };
}

function forgetReuse(core: Judge): Judge {
  return {
    ...core,
    beginRun(plan, run, options) {
      const result = core.beginRun(plan, run, options);
      const [first] = options.reused?.keys() ?? [];
      if (first === undefined || isRunTerminal(result.status)) return result;
      run.states.set(first, STATE.queued);
      const key = { stepIndex: stepAt(plan, first).index, itemIndex: -1 };
      const again = {
        type: "queue",
        ...key,
        attempt: 1,
        delayMs: 0,
        lostCount: 0,
        releasedCount: 0,
      } as const;
      return {
        ...result,
        changes: [...result.changes, again],
        dispatches: [...result.dispatches, { ...key, attempt: 1, delayMs: 0 }],
      };
    },
  };
}

function swapEnding(result: Advance): Advance {
  return result.ending === "failed" ? { ...result, ending: "canceled" } : result;
}
