import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { RunEvent, RunEventType } from "../../../../src/contracts/run-events.js";
import type { StepStatus } from "../../../../src/core/statuses.js";
import { isOver } from "../../format/status.js";

const STATUS_OF: Partial<Record<RunEventType, StepStatus>> = {
  "step.queued": "queued",
  "step.started": "running",
  "step.retrying": "queued",
  "step.waiting": "waiting",
  "step.succeeded": "succeeded",
  "step.failed": "failed",
  "step.skipped": "skipped",
  "step.canceled": "canceled",
};

/**
 * Steps as events have moved them since they were read: what is seen at once, until they are read anew. Events that are
 * older than what a step says already change nothing.
 */
export function applyStepEvents(steps: readonly StepRun[], events: readonly RunEvent[]): readonly StepRun[] {
  const moves = new Map<string, RunEvent[]>();
  for (const event of events) {
    if (event.stepId === undefined || !STATUS_OF[event.type]) continue;
    const key = keyOf(event.stepId, event.itemIndex);
    const known = moves.get(key);
    if (known) known.push(event);
    else moves.set(key, [event]);
  }
  if (moves.size === 0) return steps;
  let isChanged = false;
  const next = steps.map((step) => {
    const moved = (moves.get(keyOf(step.stepId, step.itemIndex)) ?? []).reduce(applyOne, step);
    isChanged ||= moved !== step;
    return moved;
  });
  return isChanged ? next : steps;
}

function applyOne(step: StepRun, event: RunEvent): StepRun {
  const status = STATUS_OF[event.type];
  const attempt = event.attempt ?? step.attempt;
  const isOlder = event.at < lastMomentOf(step) || attempt < step.attempt;
  if (status === undefined || isOlder || (isOver(step.status) && attempt === step.attempt)) return step;
  const { waitingFor: _over, ...rest } = step;
  return {
    ...(status === "running" || isOver(status) ? rest : step),
    status,
    attempt,
    queuedAt: status === "queued" ? event.at : step.queuedAt,
    startedAt: status === "running" ? event.at : status === "queued" ? null : step.startedAt,
    finishedAt: isOver(status) ? event.at : null,
    durationMs:
      isOver(status) && step.startedAt
        ? new Date(event.at).getTime() - new Date(step.startedAt).getTime()
        : step.durationMs,
  };
}

function lastMomentOf({ queuedAt, startedAt, finishedAt }: StepRun): string {
  return [queuedAt, startedAt, finishedAt].reduce<string>(
    (one, other) => (other && other > one ? other : one),
    "",
  );
}

function keyOf(stepId: string, itemIndex: number | undefined): string {
  return `${stepId}\n${itemIndex ?? ""}`;
}
