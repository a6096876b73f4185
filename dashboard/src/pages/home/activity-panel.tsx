import { useQuery } from "@tanstack/react-query";
import { History, Pencil } from "lucide-react";
import { Link } from "wouter";
import type { Activity } from "../../../../src/contracts/api/dashboard.js";
import type { RunStatus } from "../../../../src/core/statuses.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { mcpPath, runPath, workflowPath } from "../../app/page-paths.js";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { StatusIcon } from "../../components/status-badge.js";
import { STATUS_LOOKS } from "../../format/status.js";
import styles from "./home-page.module.css";

/** What people and runs did lately. */
export function ActivityPanel() {
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.activity,
    queryFn: async ({ signal }) =>
      await apiRequest<{ items: Activity[] }>("/dashboard/activity", { query: { limit: 14 }, signal }),
    refetchInterval: 30_000,
  });
  return (
    <Panel title="Recent activity" isFlush>
      {error && !data ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={6} />
      ) : data.items.length === 0 ? (
        <EmptyState icon={History} title="Nothing has happened yet">
          Start with <code>npx headrace apply -f examples/climate-watch</code>, then run the workflow.
        </EmptyState>
      ) : (
        <ul className={styles["list"]}>
          {data.items.map((item) => (
            <li
              key={`${item.at} ${item.action} ${item.entityId}`}
              className={`${styles["item"]} ${styles["activity"]}`}
            >
              <ActivityIcon item={item} />
              <p className="cut">
                <ActivityText item={item} />
                <span className={styles["dim"]}> · {item.actor}</span>
              </p>
              <span className={styles["dim"]}>
                <Moment at={item.at} isRelative />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function runStatusOf(item: Activity): RunStatus | undefined {
  const status = item.action.replace(/^run\./, "");
  return item.kind === "run" && status in STATUS_LOOKS ? (status as RunStatus) : undefined;
}

function ActivityIcon({ item }: { readonly item: Activity }) {
  const status = runStatusOf(item);
  return status ? <StatusIcon status={status} /> : <Pencil size={14} aria-hidden className={styles["dim"]} />;
}

function ActivityText({ item }: { readonly item: Activity }) {
  const status = runStatusOf(item);
  if (status && item.entityId !== null) {
    return (
      <>
        <Link to={runPath(item.entityId)} className={styles["strong"]}>
          {item.label ?? "Run"}
        </Link>{" "}
        {STATUS_LOOKS[status].label.toLowerCase()}
      </>
    );
  }
  const words = item.action.replace(/[._-]/g, " ");
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  const to = pathOf(item);
  return to ? <Link to={to}>{text}</Link> : <>{text}</>;
}

function pathOf({ entityType, entityId }: Activity): string | undefined {
  if (entityId === null) return undefined;
  if (entityType === "workflow_run") return runPath(entityId);
  if (entityType === "workflow_definition") return workflowPath(entityId);
  if (entityType === "mcp_definition") return mcpPath(entityId);
  return undefined;
}
