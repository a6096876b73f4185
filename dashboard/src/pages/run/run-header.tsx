import { Pin } from "lucide-react";
import { Link } from "wouter";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import { PAGE_PATHS, runPath, workflowPath } from "../../app/page-paths.js";
import { Elapsed, Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { StatusBadge } from "../../components/status-badge.js";
import { LabelChips } from "../runs/label-chips.js";
import { triggerLabel } from "../runs/run-filters.js";
import { RunActions } from "./run-actions.js";
import styles from "./run-page.module.css";

/** Which run this is, how it does, and what can be done. */
export function RunHeader({ run, chosen }: { readonly run: Run; readonly chosen: StepRun | undefined }) {
  const { name, version } = run.workflow;
  return (
    <PageHeader
      title={
        <>
          <Link to={workflowPath(name)}>{name}</Link> <span className={styles["version"]}>v{version}</span>
        </>
      }
      documentTitle={`${name}, ${run.status}`}
      crumbs={[{ label: "Runs", to: PAGE_PATHS.runs }]}
      beside={
        <>
          <StatusBadge status={run.status} />
          {run.isPinned && <Pin size={14} aria-label="Pinned" className={styles["dim"]} />}
        </>
      }
      actions={<RunActions run={run} chosen={chosen} />}
    >
      <span className="mono" title="Id of the run">
        {run.id}
      </span>
      <span>
        {triggerLabel(run.trigger)}, {run.createdBy.name}
      </span>
      <span>
        created <Moment at={run.createdAt} isRelative />
      </span>
      <span>
        {run.finishedAt ? "took" : "for"} <Elapsed from={run.startedAt} to={run.finishedAt} />
      </span>
      {run.replayOf && (
        <span>
          again of{" "}
          <Link to={runPath(run.replayOf)} className={styles["link"]}>
            {run.replayOf.slice(-8)}
          </Link>
        </span>
      )}
      {run.parentRunId && (
        <span>
          part of{" "}
          <Link to={runPath(run.parentRunId)} className={styles["link"]}>
            {run.parentRunId.slice(-8)}
          </Link>
        </span>
      )}
      <span>
        <LabelChips labels={run.labels} />
      </span>
    </PageHeader>
  );
}
