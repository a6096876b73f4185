import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import type { BulkOperation } from "../../../../src/contracts/api/bulk-operations.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { Button } from "../../components/button.js";
import { showFault } from "../../components/toasts.js";
import styles from "./runs-page.module.css";

/** How far an action on many runs is, with a way to stop it. */
export function BulkProgress({ id, onClose }: { readonly id: string; onClose(): void }) {
  const { data, refetch } = useQuery({
    queryKey: queryKeys.bulk(id),
    queryFn: async ({ signal }) => await apiRequest<BulkOperation>(`/workflow-runs/bulk/${id}`, { signal }),
    refetchInterval: ({ state }) => (state.data && hasEnded(state.data) ? false : 700),
  });
  if (!data) return null;
  const isOver = hasEnded(data);
  async function stop(): Promise<void> {
    try {
      await apiRequest(`/workflow-runs/bulk/${id}/cancel`, { method: "POST" });
      await refetch();
    } catch (error) {
      showFault("Could not stop it", error);
    }
  }
  return (
    <div className={styles["progress"]} role="status">
      <div>
        <span>
          {isOver ? "Done" : "Under way"}: {data.action}, {data.done} of {data.total} runs – {data.succeeded}{" "}
          succeeded
          {data.skipped > 0 && `, ${data.skipped} skipped`}
          {data.failed > 0 && `, ${data.failed} failed`}
        </span>
        {isOver ? (
          <Button size="s" variant="quiet" icon={X} aria-label="Close" onClick={onClose} />
        ) : (
          <Button size="s" onClick={() => void stop()}>
            Stop
          </Button>
        )}
      </div>
      <progress aria-label="Progress" value={data.done} max={Math.max(1, data.total)} />
      {data.errors.slice(0, 3).map(({ runId, message }) => (
        <p key={runId}>
          {runId.slice(-8)}: {message}
        </p>
      ))}
    </div>
  );
}

function hasEnded({ status }: BulkOperation): boolean {
  return status === "succeeded" || status === "failed" || status === "canceled";
}
