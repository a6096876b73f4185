import { useQuery } from "@tanstack/react-query";
import { NotebookPen } from "lucide-react";
import type { ArtifactPreview } from "../../../../src/contracts/api/artifacts.js";
import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { CodeBlock } from "../../components/code-block.js";
import { EmptyState } from "../../components/states.js";
import { StatusBadge } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import styles from "./artifacts.module.css";
import { ArtifactPreviewView } from "./artifact-preview.js";
import { type CellOutput, type CellState, toCellStates } from "./cell-states.js";
import { CellOutputs, CellSource, type NotebookCell } from "./notebook-cells.js";
import type { RunFeed } from "./run-feed.js";
import { useFeedVersion } from "./use-run.js";

const STATUSES: Readonly<Record<CellState["status"], StepStatus>> = {
  started: "running",
  succeeded: "succeeded",
  failed: "failed",
};

/**
 * A notebook cell by cell: while it runs, each with what it shows; once the executed notebook is kept, with its source.
 * Pages that cells show stand in frames in which nothing can act.
 */
export function NotebookView({ step, feed }: { readonly step: StepRun; readonly feed: RunFeed }) {
  useFeedVersion(feed);
  const kept = useKeptCells(step);
  const states = toCellStates(feed.progress, step);
  const count = kept?.length ?? states[0]?.total ?? 0;
  if (states.length === 0 && count === 0) {
    return (
      <EmptyState icon={NotebookPen} title="No cell has run yet">
        Each cell appears here with its outputs as it ends.
      </EmptyState>
    );
  }
  const stateOf = new Map(states.map((state) => [state.cell, state]));
  const shown = kept ? Array.from({ length: count }, (_, cell) => cell) : states.map(({ cell }) => cell);
  return (
    <ol className={styles["cells"]}>
      {shown.map((cell) => (
        <Cell key={cell} cell={cell} count={count} state={stateOf.get(cell)} kept={kept?.[cell]} />
      ))}
    </ol>
  );
}

/** The cells of the executed notebook, once there is one. */
function useKeptCells({ artifacts }: StepRun): readonly NotebookCell[] | undefined {
  const id = artifacts.find(({ name }) => name.endsWith(".ipynb"))?.id ?? "";
  const { data } = useQuery({
    queryKey: queryKeys.artifact(id),
    queryFn: async ({ signal }) => await apiRequest<ArtifactPreview>(`/artifacts/${id}/preview`, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: id !== "",
  });
  return data?.kind === "notebook" ? data.cells : undefined;
}

function Cell({
  cell,
  count,
  state,
  kept,
}: {
  readonly cell: number;
  readonly count: number;
  readonly state: CellState | undefined;
  readonly kept: NotebookCell | undefined;
}) {
  const hasFiles = state?.outputs.some(({ file }) => file) ?? false;
  return (
    <li className={styles["cell"]}>
      {state && (
        <div className={styles["cellHead"]}>
          <span>
            Cell {cell + 1} of {count}
          </span>
          <StatusBadge status={STATUSES[state.status]} />
          {state.durationMs !== undefined && <span>{formatDuration(state.durationMs)}</span>}
        </div>
      )}
      {kept && <CellSource cell={kept} index={cell} />}
      {/* the executed notebook has the whole texts, events have the pages */}
      {kept && !hasFiles ? (
        <CellOutputs cell={kept} index={cell} />
      ) : (
        state?.outputs.map((output, index) => <LiveOutput key={index} cell={cell} output={output} />)
      )}
    </li>
  );
}

function LiveOutput({ cell, output }: { readonly cell: number; readonly output: CellOutput }) {
  const { text, file, isError } = output;
  if (file) return <ArtifactPreviewView id={file.id} name={`Output of cell ${cell + 1}: ${file.name}`} />;
  return (
    <CodeBlock
      label={`output of cell ${cell + 1}`}
      text={text ?? ""}
      tone={isError ? "bad" : "plain"}
      isWrapped
    />
  );
}
