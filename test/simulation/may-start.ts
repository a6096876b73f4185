import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import type { RunRow } from "./tables.js";

const OPEN = /[pqrw]/;

/**
 * Whether a step may start, by the letters of its run: the rules once more, in other words than the core's,
 * so that a fault there does not hide here. "never" when they are clear and say no; "later" when they are not clear yet.
 */
export function mayStart(
  plan: RunPlan,
  letters: string,
  step: PlanStep,
  ending: RunRow["ending"],
): "yes" | "never" | "later" {
  const phase = step.phase ?? "main";
  const earlier = plan.steps.filter((other) => rank(other.phase) < rank(step.phase));
  if (earlier.some((other) => OPEN.test(letters[other.index] ?? ""))) return "later";
  if (phase === "onFailure") {
    const hasFailed = ending === "failed" || (ending === null && letters.includes("f"));
    if (!hasFailed) return "never";
  }
  const seen = step.dependencies.map((index) => letters[index] ?? "");
  if (seen.some((letter) => OPEN.test(letter))) return "later";
  if (step.runAfter === "allDone") return "yes";
  if (step.runAfter === "anyFailed") return seen.some((letter) => "fod".includes(letter)) ? "yes" : "never";
  return seen.every((letter) => "so".includes(letter)) ? "yes" : "never";
}

function rank(phase: PlanStep["phase"]): number {
  return phase === undefined ? 0 : phase === "onFailure" ? 1 : 2;
}
