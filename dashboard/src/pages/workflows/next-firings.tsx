import { useQuery } from "@tanstack/react-query";
import type { Schedule, ScheduleSummary } from "../../../../src/contracts/api/schedules.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { Dialog } from "../../components/dialog.js";
import layout from "../../components/layout.module.css";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { describeMoment, formatAgo } from "../../format/time.js";
import styles from "./workflow-page.module.css";

/** When a schedule is due next, in the reader's zone and in UTC. */
export function NextFirings({ schedule, onClose }: { readonly schedule: ScheduleSummary; onClose(): void }) {
  const { data, error } = useQuery({
    queryKey: queryKeys.schedule(schedule.id),
    queryFn: async ({ signal }) => await apiRequest<Schedule>(`/schedules/${schedule.id}`, { signal }),
    staleTime: 0,
  });
  return (
    <Dialog title={`Next firings of ${schedule.name}`} size="s" onClose={onClose}>
      {error ? (
        <ErrorPanel error={error} />
      ) : !data ? (
        <Skeleton lines={5} />
      ) : data.nextRuns.length === 0 ? (
        <p>None: it is paused.</p>
      ) : (
        <ol className={styles["firings"]}>
          {data.nextRuns.map((at) => (
            <li key={at}>
              <time dateTime={at} title={describeMoment(at)} className="number">
                {describeMoment(at).split("\n")[0]}
              </time>
              <span className={layout["dim"]}>{formatAgo(at)}</span>
            </li>
          ))}
        </ol>
      )}
    </Dialog>
  );
}
