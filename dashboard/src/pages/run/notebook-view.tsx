import { NotebookPen } from "lucide-react";
import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";
import { CodeBlock } from "../../components/code-block.js";
import { EmptyState } from "../../components/states.js";
import { StatusBadge } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import styles from "./artifacts.module.css";
import { ArtifactPreviewView } from "./artifact-preview.js";
import { type CellState, toCellStates } from "./cell-states.js";
import type { RunFeed } from "./run-feed.js";
import { useFeedVersion } from "./use-run.js";

const STATUSES: Readonly<Record<CellState["status"], StepStatus>> = {
  started: "running",
  succeeded: "succeeded",
  failed: "failed",
};

/** A notebook cell by cell while it runs; the executed one once it is kept. */
export function NotebookView({ step, feed }: { readonly step: StepRun; readonly feed: RunFeed }) {
  useFeedVersion(feed);
  const executed = step.artifacts.find(({ name }) => name.endsWith(".ipynb"));
  const cells = toCellStates(feed.progress, step);
  if (executed) return <ArtifactPreviewView id={executed.id} name={executed.name} />;
  if (cells.length === 0) {
    return (
      <EmptyState icon={NotebookPen} title="No cell has run yet">
        Each cell appears here with its outputs as it ends.
      </EmptyState>
    );
  }
  return (
    <ol className={styles["cells"]}>
      {cells.map(({ cell, total, status, durationMs, texts }) => (
        <li key={cell} className={styles["cell"]}>
          <div className={styles["cellHead"]}>
            <span>
              Cell {cell + 1} of {total}
            </span>
            <StatusBadge status={STATUSES[status]} />
            {durationMs !== undefined && <span>{formatDuration(durationMs)}</span>}
          </div>
          {texts.map((text, index) => (
            <CodeBlock key={index} label={`output of cell ${cell + 1}`} text={text} isWrapped />
          ))}
        </li>
      ))}
    </ol>
  );
}
