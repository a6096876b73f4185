import { stepsReadBy } from "../../core/compile-plan.js";
import { findCycles } from "../../core/graph.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { DraftStep } from "./parse-definition.js";

/** Steps on cycles beyond this many are not described. */
const MAX_DESCRIBED = 1000;
/** Ids of a cycle beyond this many are counted, not listed. */
const MAX_PATH = 12;

/** A fault for each step on a cycle, with the cycle seen from that step. */
export function describeCycles(
  steps: readonly DraftStep[],
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): FieldFault[] {
  const indexById = new Map<string, number>();
  for (const { id, index } of steps) if (id !== undefined && !indexById.has(id)) indexById.set(id, index);
  const dependencies = steps.map((step) =>
    [...stepsReadBy(step, expressionSteps)]
      .flatMap((id) => indexById.get(id) ?? [])
      // a step that waits for itself, or for one of another phase, is a fault of its own
      .filter((other) => other !== step.index && steps[other]?.phase === step.phase),
  );
  const described = new Set<number>();
  return findCycles(dependencies).flatMap((cycle) =>
    cycle.flatMap((index, at) => {
      const path = steps[index]?.path;
      if (path === undefined || described.has(index) || described.size > MAX_DESCRIBED) return [];
      described.add(index);
      const idAt = (offset: number) => steps[cycle[(at + offset) % cycle.length] ?? -1]?.id ?? "?";
      return [{ path, message: `waits for itself in a cycle: ${listCycle(cycle.length, idAt).join(" → ")}` }];
    }),
  );
}

/** The ids of a whole turn, the first at both ends; of a long one, its beginning and its end. */
function listCycle(length: number, idAt: (offset: number) => string): string[] {
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => idAt(from + at));
  const count = length + 1;
  if (count <= MAX_PATH) return range(0, count);
  return [...range(0, MAX_PATH - 2), `(${count - MAX_PATH} more)`, ...range(count - 2, count)];
}
