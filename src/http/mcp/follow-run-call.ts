import { isTerminalEvent, type RunEvent } from "../../contracts/run-events.js";
import type { Run } from "../../contracts/api/runs.js";
import { isRunTerminal } from "../../core/statuses.js";
import type { RunCommands } from "../../services/runs/run-commands.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import type { StreamHub } from "../../streaming/stream-hub.js";
import { askForApproval } from "./ask-approval.js";
import type { ToolCall } from "./mcp-tool.js";

/** What following a run needs. */
export interface FollowDeps {
  readonly commands: RunCommands;
  readonly queries: RunQueries;
  readonly hub: Pick<StreamHub, "readRunEvents">;
}

/** Clients give up after 60 seconds unless progress keeps them; those that take progress are answered later. */
const QUIET_MS = 50_000;
const MOST_MS = 600_000;
const LOOK_MS = 5000;
/** More notices than this in a second tell nobody more. */
const LEAST_BETWEEN_PROGRESS_MS = 100;

/**
 * Waits for a run's end, with progress from its events, and asks the client for approvals on the way if it can be
 * asked. Answers the run as it stands when it has ended, when the time is up, or when the client has gone.
 * A client that cancels the call cancels the run, if `cancelsRun`.
 */
export async function followRunCall(
  deps: FollowDeps,
  runId: string,
  call: ToolCall,
  options: { readonly cancelsRun: boolean },
): Promise<Run> {
  const { signal, requestId } = call.extra;
  const progress = createProgress(call);
  const until = Date.now() + (progress.isWanted ? MOST_MS : QUIET_MS);
  let after = 0;
  let run = await deps.queries.get(runId);
  progress.setTotal(run.stepCounts.total);
  while (!isRunTerminal(run.status) && !signal.aborted && Date.now() < until) {
    const waitMs = Math.min(LOOK_MS, Math.max(1, until - Date.now()));
    const events = await deps.hub.readRunEvents(runId, after, waitMs, signal);
    after = events.at(-1)?.seq ?? after;
    for (const event of events) await progress.tell(event);
    const approval = events.findLast((event) => event.type === "step.waiting");
    if (approval) await askForApproval(deps, { runId, after }, call);
    if (events.length === 0 || events.some((event) => isTerminalEvent(event.type)))
      run = await deps.queries.get(runId);
  }
  if (signal.aborted && options.cancelsRun && call.isCanceled(requestId)) {
    // it may have ended meanwhile
    await deps.commands.cancel(runId, call.actor, call.origin).catch(() => undefined);
  }
  // nobody reads an answer to a call that is over
  return isRunTerminal(run.status) || signal.aborted ? run : await deps.queries.get(runId);
}

function createProgress({ extra }: ToolCall) {
  const token = extra._meta?.progressToken;
  let total = 0;
  let ended = 0;
  let sent = -1;
  let toldAt = 0;
  return {
    isWanted: token !== undefined,
    setTotal(count: number): void {
      total = count;
    },
    async tell(event: RunEvent): Promise<void> {
      if (token === undefined) return;
      const isEnd =
        /^step\.(succeeded|failed|skipped|canceled)$/.test(event.type) && event.itemIndex === undefined;
      if (isEnd) ended += 1;
      const isDetail =
        event.type === "step.log" || event.type === "step.token" || event.type === "step.progress";
      if (isDetail && Date.now() - toldAt < LEAST_BETWEEN_PROGRESS_MS) return;
      toldAt = Date.now();
      // progress must rise with every notice: events between two ends of steps count for little
      sent = Math.max(ended, sent + Math.min(0.001, Math.max(0, (Math.floor(sent) + 1 - sent) / 2)));
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken: token, progress: sent, total, message: describe(event) },
      });
    },
  };
}

function describe({ type, stepId, itemIndex, data }: RunEvent): string {
  const where = stepId === undefined ? "run" : itemIndex === undefined ? stepId : `${stepId}[${itemIndex}]`;
  const lines = (data as { lines?: { message: string }[] } | null)?.lines;
  const last = type === "step.log" ? lines?.at(-1)?.message : undefined;
  return last === undefined
    ? `${where} ${type.slice(type.indexOf(".") + 1)}`
    : `${where}: ${last.slice(0, 500)}`;
}
