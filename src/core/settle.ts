import { type Phase, phaseOf, type PlanStep, type RunPlan } from "./plan.js";
import type { RunState } from "./transition.js";
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
 * A pure function of the plan and the states: the one place that knows `runAfter` and the order of the phases.
 * @param ended indices of steps that have just ended; undefined: every step is looked at (a new run).
 * @param ending how the run will end, when it was stopped: `onFailure` runs for a failed one, not for a canceled one.
 */
export function settle(
  plan: RunPlan,
  states: StepStates,
  ended?: readonly number[],
  ending: RunState["ending"] = null,
): Settlement {
  const settlement: Settlement = { ready: [], skipped: [] };
  const begin = ended ? ended.flatMap((index) => stepAt(plan, index).dependants) : indicesOf(plan, "main");
  follow(plan, states, begin, settlement);
  for (const phase of LATER_PHASES) openPhase(plan, states, phase, ending, settlement);
  return settlement;
}

const LATER_PHASES = ["onFailure", "finally"] as const;

/** Judges steps, and those that follow from what became of them. */
function follow(plan: RunPlan, states: StepStates, begin: readonly number[], settlement: Settlement): void {
  const work = [...begin];
  for (let at = 0; at < work.length; at += 1) {
    const next = work[at] as number;
    if (states.get(next) !== STATE.pending) continue;
    const step = stepAt(plan, next);
    const verdict = judge(step, states);
    if (verdict === "wait") continue;
    if (verdict === "ready") {
      states.set(next, STATE.queued);
      settlement.ready.push(next);
    } else {
      states.set(next, verdict);
      settlement.skipped.push({ index: next, letter: verdict });
      work.push(...step.dependants);
    }
  }
}

/** Lets a phase begin, or skips it, once all before it have ended. */
function openPhase(
  plan: RunPlan,
  states: StepStates,
  phase: (typeof LATER_PHASES)[number],
  ending: RunState["ending"],
  settlement: Settlement,
): void {
  const indices = indicesOf(plan, phase);
  const [first] = indices;
  if (first === undefined || !indices.every((index) => states.get(index) === STATE.pending)) return;
  if (!states.areEndedBelow(first)) return;
  const isWanted =
    phase === "finally" || ending === "failed" || (ending === null && states.some(STATE.failed));
  if (isWanted) return follow(plan, states, indices, settlement);
  for (const index of indices) {
    states.set(index, STATE.skipped);
    settlement.skipped.push({ index, letter: STATE.skipped });
  }
}

const phases = new WeakMap<RunPlan, Record<Phase, number[]>>();

/** The indices of a phase's steps; those of a later phase come after those of an earlier one. */
export function indicesOf(plan: RunPlan, phase: Phase): readonly number[] {
  let known = phases.get(plan);
  if (!known) {
    known = { main: [], onFailure: [], finally: [] };
    for (const step of plan.steps) known[phaseOf(step)].push(step.index);
    phases.set(plan, known);
  }
  return known[phase];
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

/**
 * How a run ends once all its steps have: as it was stopped, or failed by any untolerated failure.
 * Undefined while steps are open.
 */
export function outcomeOf(
  states: StepStates,
  ending: RunState["ending"] = null,
): "succeeded" | "failed" | "canceled" | undefined {
  if (!states.areAllEnded()) return undefined;
  return ending ?? (states.some(STATE.failed) ? "failed" : "succeeded");
}
