import { useQuery } from "@tanstack/react-query";
import { ArrowLeftRight } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import type { Run, RunSummary, StepRun } from "../../../../src/contracts/api/runs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { runPath } from "../../app/page-paths.js";
import { Checkbox, Select } from "../../components/field.js";
import { JsonView } from "../../components/json-view.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { StatusBadge } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import { formatMoment } from "../../format/time.js";
import { STATUS_LOOKS } from "../../format/status.js";
import { isSame, pairSteps, type StepPair } from "./compare-runs.js";
import styles from "./run-page.module.css";
import { useRun, useRunSteps } from "./use-run.js";

/** This run beside another one of its workflow: what came out otherwise, step by step. */
export function RunComparison({
  run,
  steps,
  otherId,
  onChoose,
}: {
  readonly run: Run;
  readonly steps: readonly StepRun[];
  readonly otherId: string;
  onChoose(id: string): void;
}) {
  const { data } = useQuery({
    queryKey: [...queryKeys.allRuns, "of", run.workflow.name],
    queryFn: async ({ signal }) =>
      await apiRequest<Page<RunSummary>>("/workflow-runs", {
        query: { workflow: run.workflow.id ?? run.workflow.name, limit: 50 },
        signal,
      }),
  });
  const others = (data?.items ?? []).filter(({ id }) => id !== run.id);
  const withId = otherId === "" ? (run.replayOf ?? "") : otherId;
  const isListed = others.some(({ id }) => id === withId);
  return (
    <div className={styles["data"]}>
      <div className={styles["compareWith"]}>
        <label htmlFor="compare-with">Compare with</label>
        <Select
          id="compare-with"
          value={withId}
          onChange={(event) => onChoose(event.target.value)}
          options={[
            { value: "", label: "Choose a run …" },
            ...(withId !== "" && !isListed ? [{ value: withId, label: withId.slice(-8) }] : []),
            ...others.map(({ id, status, createdAt }) => ({
              value: id,
              label: `${formatMoment(createdAt)} · ${STATUS_LOOKS[status].label} · ${id.slice(-8)}`,
            })),
          ]}
        />
      </div>
      {withId === "" ? (
        <EmptyState icon={ArrowLeftRight} title="Two runs side by side">
          Choose another run of {run.workflow.name}: what came out otherwise is shown step by step.
        </EmptyState>
      ) : (
        <Comparison key={withId} run={run} steps={steps} otherId={withId} />
      )}
    </div>
  );
}

function Comparison({
  run,
  steps,
  otherId,
}: {
  readonly run: Run;
  readonly steps: readonly StepRun[];
  readonly otherId: string;
}) {
  const other = useRun(otherId);
  const otherSteps = useRunSteps(otherId);
  const [isAll, setAll] = useState(false);
  const [open, setOpen] = useState<string>();
  const pairs = useMemo(() => pairSteps(steps, otherSteps.data ?? []), [steps, otherSteps.data]);
  const error = other.error ?? otherSteps.error;
  if (error) return <ErrorPanel error={error} />;
  if (!other.data || !otherSteps.data) return <Skeleton lines={5} />;
  const shown = isAll ? pairs : pairs.filter(({ differs }) => differs.length > 0);
  return (
    <>
      <p className={styles["dim"]}>
        Input: {isSame(run.input, other.data.input) ? "the same" : "different"}. Output:{" "}
        {isSame(run.output, other.data.output) ? "the same" : "different"}. Versions: {run.workflow.version}{" "}
        and {other.data.workflow.version}.{" "}
        <Link to={runPath(otherId)} className={styles["link"]}>
          Open the other run
        </Link>
      </p>
      <Checkbox
        label="Also what is the same"
        checked={isAll}
        onChange={(event) => setAll(event.target.checked)}
      />
      {shown.length === 0 ? (
        <p>No step differs in status, inputs or output.</p>
      ) : (
        <table className={styles["audit"]}>
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">This run</th>
              <th scope="col">The other</th>
              <th scope="col">Differs in</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((pair) => (
              <PairRow
                key={pair.key}
                pair={pair}
                isOpen={open === pair.key}
                onToggle={() => setOpen(open === pair.key ? undefined : pair.key)}
              />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function PairRow({
  pair: { name, one, other, differs },
  isOpen,
  onToggle,
}: {
  readonly pair: StepPair;
  readonly isOpen: boolean;
  onToggle(): void;
}) {
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" className={styles["opener"]} aria-expanded={isOpen} onClick={onToggle}>
            {name}
          </button>
        </th>
        <td>
          <StepCell step={one} />
        </td>
        <td>
          <StepCell step={other} />
        </td>
        <td>{differs.length === 0 ? "nothing" : differs.join(", ")}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={4}>
            <div className={styles["pair"]}>
              {[one, other].map((step, index) => (
                <div key={index}>
                  <JsonView
                    label={index === 0 ? "this run's step" : "the other run's step"}
                    value={step ? { inputs: step.inputs, output: step.output, error: step.error } : null}
                  />
                </div>
              ))}
            </div>
          </td>
        </tr>
      )}
    </>
  );
}

function StepCell({ step }: { readonly step: StepRun | undefined }) {
  if (!step) return <span className={styles["dim"]}>not there</span>;
  return (
    <>
      <StatusBadge status={step.status} />{" "}
      <span className={styles["dim"]}>{step.durationMs === null ? "" : formatDuration(step.durationMs)}</span>
    </>
  );
}
