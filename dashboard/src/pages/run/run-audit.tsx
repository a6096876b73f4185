import { useQuery } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import type { ActionLog } from "../../../../src/contracts/api/action-logs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { Moment } from "../../components/moment.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import styles from "./run-page.module.css";

/** What people did to this run, from the audit log. */
export function RunAudit({ runId }: { readonly runId: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.runAudit(runId),
    queryFn: async ({ signal }) =>
      await apiRequest<Page<ActionLog>>("/action-logs", {
        query: { entityType: "workflow_run", entityId: runId, limit: 200 },
        signal,
      }),
  });
  if (error && !data) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  if (data.items.length === 0) {
    return (
      <EmptyState icon={ShieldCheck} title="Nobody has touched this run">
        Cancels, approvals, reruns and pins are listed here.
      </EmptyState>
    );
  }
  return (
    <table className={styles["audit"]}>
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">Outcome</th>
          <th scope="col">From</th>
        </tr>
      </thead>
      <tbody>
        {data.items.map(({ id, at, actor, action, outcome, address }) => (
          <tr key={id}>
            <td>
              <Moment at={at} />
            </td>
            <td>{actor.name}</td>
            <td>
              <code>{action}</code>
            </td>
            <td>{outcome}</td>
            <td>{address ?? "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
