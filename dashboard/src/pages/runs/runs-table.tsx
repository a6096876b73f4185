import { useMemo } from "react";
import { Link } from "wouter";
import type { RunSummary } from "../../../../src/contracts/api/runs.js";
import { runPath } from "../../app/page-paths.js";
import { type Column, DataTable, type DataTableProps } from "../../components/data-table.js";
import { Elapsed, Moment } from "../../components/moment.js";
import { StatusBadge } from "../../components/status-badge.js";
import { LabelChips } from "./label-chips.js";
import { type RunFilters, triggerLabel } from "./run-filters.js";
import styles from "./runs-page.module.css";
import { StepBar } from "./step-bar.js";

/** The runs themselves. */
export function RunsTable({
  runs,
  selected,
  onSelect,
  onFilter,
  more,
}: {
  readonly runs: readonly RunSummary[];
  readonly selected: ReadonlySet<string>;
  onSelect(ids: ReadonlySet<string>): void;
  onFilter(changes: Partial<RunFilters>): void;
  readonly more: DataTableProps<RunSummary>["more"];
}) {
  const columns = useMemo(
    () => [selectColumn(runs, selected, onSelect), ...runColumns(onFilter)],
    [runs, selected, onSelect, onFilter],
  );
  return (
    <DataTable
      label="Runs"
      columns={columns}
      rows={runs}
      rowKey={({ id }) => id}
      isMarked={({ id }) => selected.has(id)}
      more={more}
    />
  );
}

function selectColumn(
  runs: readonly RunSummary[],
  selected: ReadonlySet<string>,
  onSelect: (ids: ReadonlySet<string>) => void,
): Column<RunSummary> {
  const areAll = runs.length > 0 && runs.every(({ id }) => selected.has(id));
  return {
    id: "select",
    width: "18px",
    header: (
      <input
        type="checkbox"
        className={styles["box"]}
        aria-label="Select all that are loaded"
        checked={areAll}
        onChange={() => onSelect(new Set(areAll ? [] : runs.map(({ id }) => id)))}
      />
    ),
    render: ({ id, workflow }) => (
      <input
        type="checkbox"
        className={styles["box"]}
        aria-label={`Select run ${id.slice(-8)} of ${workflow.name}`}
        checked={selected.has(id)}
        onChange={(event) => {
          const next = new Set(selected);
          if (event.target.checked) next.add(id);
          else next.delete(id);
          onSelect(next);
        }}
      />
    ),
  };
}

function runColumns(onFilter: (changes: Partial<RunFilters>) => void): Column<RunSummary>[] {
  return [
    {
      id: "status",
      header: "Status",
      width: "112px",
      render: ({ status }) => <StatusBadge status={status} />,
    },
    {
      id: "workflow",
      header: "Workflow",
      width: "minmax(150px, 2fr)",
      render: ({ id, workflow, error }) => (
        <Link to={runPath(id)} className={styles["name"]} title={error?.message}>
          {workflow.name} <span className={styles["dim"]}>v{workflow.version}</span>
        </Link>
      ),
    },
    {
      id: "id",
      header: "Run",
      width: "84px",
      weight: 3,
      render: ({ id }) => (
        <Link to={runPath(id)} className={`mono ${styles["dim"]}`} title={id} tabIndex={-1}>
          {id.slice(-8)}
        </Link>
      ),
    },
    {
      id: "steps",
      header: "Steps",
      width: "minmax(90px, 1fr)",
      weight: 2,
      render: ({ stepCounts }) => <StepBar counts={stepCounts} />,
    },
    {
      id: "labels",
      header: "Labels",
      width: "minmax(120px, 2fr)",
      weight: 3,
      render: ({ labels }) => <LabelChips labels={labels} onChoose={(label) => onFilter({ label })} />,
    },
    {
      id: "trigger",
      header: "Trigger",
      width: "minmax(76px, 0.7fr)",
      weight: 2,
      render: ({ trigger, createdBy }) => <span title={createdBy.name}>{triggerLabel(trigger)}</span>,
    },
    {
      id: "duration",
      header: "Duration",
      width: "88px",
      align: "end",
      render: ({ startedAt, finishedAt }) => <Elapsed from={startedAt} to={finishedAt} />,
    },
    {
      id: "created",
      header: "Created",
      width: "minmax(84px, 104px)",
      align: "end",
      render: ({ createdAt }) => <Moment at={createdAt} isRelative />,
    },
  ];
}
