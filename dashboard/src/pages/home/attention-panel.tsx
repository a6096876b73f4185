import { useQuery } from "@tanstack/react-query";
import { CircleCheckBig } from "lucide-react";
import { Link } from "wouter";
import type { RunSummary } from "../../../../src/contracts/api/runs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { runPath, runsPath } from "../../app/page-paths.js";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { StatusIcon } from "../../components/status-badge.js";
import styles from "./home-page.module.css";

const DAY_MS = 24 * 3600 * 1000;
const MOST = 5;

/** Runs that a person should look at: those that wait, and those that failed of late. */
export function AttentionPanel() {
  const { data, error, refetch } = useQuery({
    queryKey: [...queryKeys.allRuns, "attention"],
    queryFn: async ({ signal }) => await readAttention(signal),
    refetchInterval: 30_000,
  });
  return (
    <Panel
      title="Needs attention"
      side={<Link to={runsPath({ status: "failed" })}>All failed runs</Link>}
      isFlush
    >
      {error && !data ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={4} />
      ) : data.length === 0 ? (
        <EmptyState icon={CircleCheckBig} title="Nothing needs you">
          Runs that wait for somebody, or have failed in the last 24 hours, are shown here.
        </EmptyState>
      ) : (
        <ul className={styles["list"]}>
          {data.map((run) => (
            <li key={run.id}>
              <Link to={runPath(run.id)} className={`${styles["item"]} ${styles["run"]}`}>
                <StatusIcon status={run.status} isNamed />
                <div className={styles["two"]}>
                  <p className={styles["strong"]}>{run.workflow.name}</p>
                  <p className={styles["dim"]}>{describe(run)}</p>
                </div>
                <span className={styles["dim"]}>
                  <Moment at={run.finishedAt ?? run.startedAt ?? run.createdAt} isRelative />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function describe(run: RunSummary): string {
  if (run.error) return run.error.stepId ? `${run.error.stepId}: ${run.error.message}` : run.error.message;
  return `Waits, ${run.stepCounts.succeeded} of ${run.stepCounts.total} steps done`;
}

async function readAttention(signal: AbortSignal): Promise<RunSummary[]> {
  const since = new Date(Date.now() - DAY_MS).toISOString();
  const list = async (query: Record<string, string>) =>
    await apiRequest<Page<RunSummary>>("/workflow-runs", { query: { ...query, limit: MOST }, signal });
  const [waiting, failed] = await Promise.all([
    list({ status: "waiting" }),
    list({ status: "failed", createdAfter: since }),
  ]);
  return [...waiting.items, ...failed.items];
}
