import type { PlanStep, RunPlan } from "./plan.js";
import { STATE, type StateLetter, type StepStates } from "./step-states.js";

/** What follows once some steps have ended. */
export interface Settlement {
  /** Steps that may start now. */
  readonly ready: number[];
  /** Steps that never will, with the letter that says why. */
  readonly skipped: {
    readonly index: number;
    readonly letter: typeof STATE.skipped | typeof STATE.blocked;
  }[];
}

/**
 * Works out which pending steps become ready or are skipped, and writes that into `states`.
 * A pure function of the plan and the states: the one place that knows `runAfter`.
 * @param ended indices of steps that have just ended; undefined: every step is looked at (a new run).
 */
export function settle(plan: RunPlan, states: StepStates, ended?: readonly number[]): Settlement {
  const ready: number[] = [];
  const skipped: Settlement["skipped"] = [];
  const work = ended
    ? ended.flatMap((index) => stepAt(plan, index).dependants)
    : plan.steps.map((step) => step.index);
  for (let next = work.shift(); next !== undefined; next = work.shift()) {
    if (states.get(next) !== STATE.pending) continue;
    const step = stepAt(plan, next);
    const verdict = judge(step, states);
    if (verdict === "wait") continue;
    if (verdict === "ready") {
      states.set(next, STATE.queued);
      ready.push(next);
    } else {
      states.set(next, verdict);
      skipped.push({ index: next, letter: verdict });
      work.push(...step.dependants);
    }
  }
  return { ready, skipped };
}

/** The step at an index. */
export function stepAt(plan: RunPlan, index: number): PlanStep {
  const step = plan.steps[index];
  if (!step) throw new RangeError(`no step ${index}`);
  return step;
}

type Verdict = "wait" | "ready" | typeof STATE.skipped | typeof STATE.blocked;

function judge(step: PlanStep, states: StepStates): Verdict {
  let isAllSucceeded = true;
  let isAnyFailed = false;
  for (const dependency of step.dependencies) {
    const letter = states.get(dependency);
    if (!states.isEnded(dependency)) return "wait";
    if (letter !== STATE.succeeded && letter !== STATE.tolerated) isAllSucceeded = false;
    if (isFailure(letter)) isAnyFailed = true;
  }
  if (step.runAfter === "allDone") return "ready";
  if (step.runAfter === "anyFailed") return isAnyFailed ? "ready" : STATE.skipped;
  if (isAllSucceeded) return "ready";
  return isAnyFailed ? STATE.blocked : STATE.skipped;
}

/** A blocked step counts as failed for those after it: a handler at the end of a branch sees its failure. */
function isFailure(letter: StateLetter): boolean {
  return letter === STATE.failed || letter === STATE.tolerated || letter === STATE.blocked;
}

/** How a run ends once all its steps have: any untolerated failure fails it. Undefined while steps are open. */
export function outcomeOf(states: StepStates): "succeeded" | "failed" | undefined {
  if (!states.areAllEnded()) return undefined;
  return states.some(STATE.failed) ? "failed" : "succeeded";
}
