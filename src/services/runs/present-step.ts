import type { LlmUsage } from "../../contracts/api/llm-budgets.js";
import type { StepRun, WaitingFor } from "../../contracts/api/runs.js";
import { type ArtifactModel } from "../../models/artifact-model.js";
import { toArtifactRef } from "../artifacts/artifact-store.js";
import type { AttemptRow, StepRow, StepValues } from "./list-steps.js";
import { toDurationMs, toInstant } from "./present-run.js";

/** What belongs to a step beside its row. */
export interface StepParts {
  /** Undefined: left out, since the answer is full. */
  readonly values: StepValues | undefined;
  /** Attempts before the newest one. */
  readonly attempts: readonly AttemptRow[];
  readonly files: readonly ArtifactModel[];
  readonly waitingFor: readonly WaitingFor[] | undefined;
  readonly usage: LlmUsage | undefined;
}

/** One step run, in its newest attempt. Its artifacts are those of that attempt. */
export function presentStep(row: StepRow, parts: StepParts): StepRun {
  const values = parts.values ?? { inputs: null, output: null, isOmitted: true as const };
  const hasBegun = row.queued_at !== null || row.started_at !== null;
  return {
    ...presentAttempt(row),
    id: row.id,
    stepId: row.step_id,
    ...(row.item_index < 0 ? {} : { itemIndex: row.item_index }),
    ...(parts.waitingFor === undefined ? {} : { waitingFor: [...parts.waitingFor] }),
    workerGroup: row.worker_group,
    sandboxLevel: row.sandbox_level,
    ...values,
    cacheHit: row.cache_hit,
    ...(parts.usage && { usage: parts.usage }),
    artifacts: parts.files.filter((file) => file.attempt === row.attempt).map(toArtifactRef),
    attempts: [...parts.attempts, ...(hasBegun ? [row] : [])].map(presentAttempt),
  };
}

function presentAttempt(row: AttemptRow) {
  return {
    attempt: row.attempt,
    status: row.status,
    workerId: row.worker_id,
    queuedAt: toInstant(row.queued_at),
    startedAt: toInstant(row.started_at),
    finishedAt: toInstant(row.finished_at),
    durationMs: toDurationMs(row.started_at, row.finished_at),
    error: row.error,
  };
}
