import type { JsonValue } from "../../src/core/json.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { SimProcess } from "./process.js";
import { tablesOf } from "./tables.js";
import type { Task } from "./task.js";

/** An `outputs` mapping with this expression cannot be resolved. */
export const BROKEN_EXPRESSION = "$error()";

/** As `follow-outcome.ts`, `join-items.ts` and `run-closer.ts` do. */
export function* followOutcome(process: SimProcess, runId: string, outcome: TransitionOutcome): Task<void> {
  const isMore = outcome.joining !== undefined || outcome.isClosing;
  if (isMore && process.world.faults.strike("crashBeforeFollow")) process.kill();
  if (outcome.joining !== undefined) {
    const output = collectItems(process, runId, outcome.joining);
    const key = { stepIndex: outcome.joining, itemIndex: -1 };
    const joined = yield* process.apply(runId, { kind: "join", ...key, output });
    return yield* followOutcome(process, runId, joined);
  }
  if (outcome.isClosing) yield* closeRun(process, runId);
}

/** Maps the outputs of a run whose steps have all ended, and ends it. */
export function* closeRun(process: SimProcess, runId: string): Task<void> {
  const { database, plans } = process.world;
  const { steps } = tablesOf(database.tables, runId);
  const outputs = plans.get(database.versionOf(runId))?.outputs ?? {};
  const output: { [name: string]: JsonValue } = {};
  for (const [name, mapping] of Object.entries(outputs)) {
    if ("expression" in mapping) {
      const error = { code: "invalid_output", message: "outputs cannot be mapped" } as const;
      yield* process.apply(runId, { kind: "close", output: null, error });
      return;
    }
    if (!("step" in mapping)) continue;
    for (const row of steps.values())
      if (row.step_id === mapping.step && row.item_index < 0) output[name] = row.output;
  }
  yield* process.apply(runId, { kind: "close", output });
}

function collectItems(process: SimProcess, runId: string, stepIndex: number): JsonValue[] {
  const rows = [...tablesOf(process.world.database.tables, runId).steps.values()]
    .filter((row) => row.step_index === stepIndex && row.item_index >= 0)
    .sort((one, other) => one.item_index - other.item_index);
  return rows.map((row) => {
    if (row.status !== "failed") return row.output;
    const { code = "internal", message = "" } = row.error ?? {};
    return { itemIndex: row.item_index, error: { code, message } };
  });
}
