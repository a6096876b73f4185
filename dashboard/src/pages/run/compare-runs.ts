import type { StepRun } from "../../../../src/contracts/api/runs.js";

/** One step in two runs. */
export interface StepPair {
  readonly key: string;
  readonly name: string;
  readonly one: StepRun | undefined;
  readonly other: StepRun | undefined;
  /** What differs of it. */
  readonly differs: readonly ("presence" | "status" | "inputs" | "output")[];
}

/** Steps of two runs side by side, in the order of the first, then what the other alone has. */
export function pairSteps(one: readonly StepRun[], other: readonly StepRun[]): StepPair[] {
  const rest = new Map(other.map((step) => [keyOf(step), step]));
  const pairs = one.map((step) => {
    const key = keyOf(step);
    const match = rest.get(key);
    rest.delete(key);
    return toPair(key, step, match);
  });
  return [...pairs, ...[...rest].map(([key, step]) => toPair(key, undefined, step))];
}

function toPair(key: string, one: StepRun | undefined, other: StepRun | undefined): StepPair {
  const name = nameOf((one ?? other) as StepRun);
  if (!one || !other) return { key, name, one, other, differs: ["presence"] };
  const differs: StepPair["differs"][number][] = [];
  if (one.status !== other.status) differs.push("status");
  if (!isSame(one.inputs, other.inputs)) differs.push("inputs");
  if (!isSame(one.output, other.output)) differs.push("output");
  return { key, name, one, other, differs };
}

/** Whether two JSON values say the same, whatever the order of their members. */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every(
      (name) =>
        Object.hasOwn(other, name) &&
        isSame((one as Record<string, unknown>)[name], (other as Record<string, unknown>)[name]),
    )
  );
}

function keyOf({ stepId, itemIndex }: StepRun): string {
  return `${stepId}\n${itemIndex ?? ""}`;
}

function nameOf({ stepId, itemIndex }: StepRun): string {
  return itemIndex === undefined ? stepId : `${stepId} [${itemIndex}]`;
}
