import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";

/** Which step of a run is looked at; the URL holds it as `step` and `item`. */
export interface ChosenStep {
  readonly stepId: string;
  readonly itemIndex: number | undefined;
}

/** What the URL says; undefined when it names none. */
export function parseChosen(stepId: string, item: string): ChosenStep | undefined {
  if (stepId === "") return undefined;
  return { stepId, itemIndex: /^\d+$/.test(item) ? Number(item) : undefined };
}

/** The step run that is meant. */
export function findChosen(steps: readonly StepRun[], chosen: ChosenStep | undefined): StepRun | undefined {
  return (
    chosen &&
    steps.find(({ stepId, itemIndex }) => stepId === chosen.stepId && itemIndex === chosen.itemIndex)
  );
}

const WORTH: readonly StepStatus[] = ["failed", "waiting", "running"];

/** The step that somebody who comes to the page wants to see: what failed, else what waits, else what runs. */
export function suggestStep(steps: readonly StepRun[]): StepRun | undefined {
  for (const status of WORTH) {
    const found = steps.find((step) => step.status === status && !isOuter(step, steps));
    if (found) return found;
  }
  return undefined;
}

/** Whether a step stands for items of its own, which say more. */
function isOuter({ stepId, itemIndex, status }: StepRun, steps: readonly StepRun[]): boolean {
  return (
    itemIndex === undefined &&
    steps.some((other) => other.stepId === stepId && other.itemIndex !== undefined && other.status === status)
  );
}
