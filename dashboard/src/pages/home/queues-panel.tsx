import { Panel } from "../../components/panel.js";
import { Skeleton } from "../../components/states.js";
import { formatCount } from "../../format/numbers.js";
import styles from "./home-page.module.css";
import { useSummary } from "./use-summary.js";

/** What lies in each queue. */
export function QueuesPanel() {
  const { data } = useSummary();
  return (
    <Panel title="Queues" isFlush>
      {!data ? (
        <Skeleton lines={3} />
      ) : data.queues === null ? (
        <p className={styles["item"]}>The queue is out of reach.</p>
      ) : (
        <table className={styles["queues"]}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Waiting</th>
              <th scope="col">Active</th>
              <th scope="col">Delayed</th>
              <th scope="col">Failed</th>
            </tr>
          </thead>
          <tbody>
            {data.queues.map(({ name, waiting, active, delayed, failed }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{formatCount(waiting)}</td>
                <td>{formatCount(active)}</td>
                <td>{formatCount(delayed)}</td>
                <td>{formatCount(failed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
