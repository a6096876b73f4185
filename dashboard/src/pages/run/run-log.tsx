import { useMemo } from "react";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import { type LogEntry, LogView } from "../../components/log-view.js";
import { isOver } from "../../format/status.js";
import type { RunFeed } from "./run-feed.js";
import { useFeedVersion } from "./use-run.js";

/** The log of a step, or of the whole run with the steps' names. */
export function RunLog({
  feed,
  run,
  step,
}: {
  readonly feed: RunFeed;
  readonly run: Run;
  readonly step?: StepRun;
}) {
  const version = useFeedVersion(feed);
  const stepId = step?.stepId;
  const itemIndex = step?.itemIndex;
  const entries = useMemo(() => {
    // the lines grow in place: the version tells
    void version;
    return feed.lines.flatMap((line): LogEntry[] => {
      if (stepId === undefined) return [{ ...line, source: nameOf(line) }];
      const isOwn = line.stepId === stepId && (itemIndex === undefined || line.itemIndex === itemIndex);
      if (!isOwn) return [];
      return [
        itemIndex === undefined && line.itemIndex !== undefined ? { ...line, source: nameOf(line) } : line,
      ];
    });
  }, [feed, version, stepId, itemIndex]);
  const name = stepId ?? run.workflow.name;
  return (
    <LogView
      key={`${stepId} ${itemIndex}`}
      entries={entries}
      fileName={`${name}-${run.id.slice(-8)}.log`}
      isLive={!isOver(step?.status ?? run.status)}
    />
  );
}

function nameOf({
  stepId,
  itemIndex,
}: {
  readonly stepId: string;
  readonly itemIndex: number | undefined;
}): string {
  return itemIndex === undefined ? stepId : `${stepId}[${itemIndex}]`;
}
