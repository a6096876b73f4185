import type { PubSub } from "../../events/pub-sub.js";
import type { Logger } from "../../observability/logger.js";
import type { Metrics } from "../../observability/metrics.js";
import type { RunDispatch, RunQueue } from "../../queues/run-queue.js";
import { isRunTerminal } from "../../core/statuses.js";
import { stepAt } from "../../core/settle.js";
import type { DispatchDraft } from "../../core/transition.js";
import type { CommittedRun } from "./apply-batch.js";
import type { StepLanes } from "./step-lanes.js";

/** How long a committed transition waits for the queue before it leaves the rest to the reconciler. */
const ENQUEUE_TIMEOUT_MS = 1500;

/** What follows every commit: enqueue, then publish. Neither can fail what is committed. */
export function createAfterCommit(deps: {
  runQueue: RunQueue;
  lanes: StepLanes;
  pubSub: PubSub;
  logger: Logger;
  metrics: Metrics;
  /** Told of every commit, before its jobs are enqueued; must not throw. */
  onCommitted(runs: readonly CommittedRun[]): void;
}) {
  const { runQueue, lanes, pubSub, logger, metrics } = deps;

  async function enqueue(runs: readonly CommittedRun[]): Promise<void> {
    const dispatches = runs.filter((run) => run.dispatches.length > 0).map((run) => toDispatch(run, lanes));
    if (dispatches.length === 0) return;
    try {
      await runQueue.enqueueRuns(dispatches, ENQUEUE_TIMEOUT_MS);
    } catch (error) {
      metrics.reconciledTotal.inc({ kind: "enqueue_failed" }, dispatches.length);
      logger.warn(
        { err: error, runs: dispatches.length },
        "queue out of reach, the reconciler will dispatch",
      );
    }
  }

  function publish(runs: readonly CommittedRun[]): void {
    if (runs.length === 0) return;
    const notices = runs.map(({ runId, seq, isRunEvent }) => ({ runId, seq, isRunEvent }));
    const messages = [
      pubSub.publish("run-events", { runs: notices }),
      ...runs
        .filter((run) => run.stopBelow !== undefined)
        .map(({ runId, stopBelow = 0 }) =>
          pubSub.publish("control", { type: "stop-run", runId, below: stopBelow }),
        ),
    ];
    for (const message of messages)
      message.catch((error: unknown) => logger.warn({ err: error }, "publish failed"));
  }

  return async function afterCommit(runs: readonly CommittedRun[]): Promise<void> {
    for (const run of runs) if (isRunTerminal(run.status)) metrics.runsTotal.inc({ status: run.status });
    publish(runs);
    deps.onCommitted(runs);
    await enqueue(runs);
  };
}

function toDispatch(run: CommittedRun, lanes: StepLanes): RunDispatch {
  const groups = run.dispatches.map(({ stepIndex }) => stepAt(run.plan, stepIndex).workerGroup);
  const ranks = lanes.ranks(run, groups);
  return {
    runId: run.runId,
    flow: run.flow,
    isFirst: run.isFirst,
    isSingleStep: run.plan.steps.length === 1 && run.plan.steps[0]?.forEach === undefined,
    steps: run.dispatches.map((draft, index) => toStepDispatch(run, draft, ranks[index] ?? 0)),
  };
}

function toStepDispatch(run: CommittedRun, draft: DispatchDraft, rank: number) {
  const step = stepAt(run.plan, draft.stepIndex);
  const { delayMs, ...which } = draft;
  return {
    job: { runId: run.runId, versionId: run.versionId, stepId: step.id, ...which },
    workerGroup: step.workerGroup,
    priority: step.priority || run.priority,
    rank,
    delayMs,
  };
}
