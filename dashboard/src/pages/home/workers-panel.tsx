import { Cpu } from "lucide-react";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, Skeleton } from "../../components/states.js";
import styles from "./home-page.module.css";
import { useHealth } from "./use-summary.js";

/** Worker processes, with what each is doing of what it can. */
export function WorkersPanel() {
  const { data } = useHealth();
  if (!data) {
    return (
      <Panel title="Workers" isFlush>
        <Skeleton lines={2} />
      </Panel>
    );
  }
  const busy = data.workers.reduce((sum, { running }) => sum + running, 0);
  const places = data.workers.reduce((sum, { concurrency }) => sum + concurrency, 0);
  return (
    <Panel title="Workers" side={places > 0 && `${busy} of ${places} places busy`} isFlush>
      {data.workers.length === 0 ? (
        <EmptyState icon={Cpu} title="No worker is up">
          Steps wait until one is: <code>npx headrace worker</code>
        </EmptyState>
      ) : (
        <ul className={styles["list"]}>
          {data.workers.map((worker) => (
            <li key={worker.id} className={`${styles["item"]} ${styles["worker"]}`}>
              <div className={styles["two"]}>
                <p className={styles["strong"]}>
                  {worker.hostname} <span className={styles["dim"]}>pid {worker.pid}</span>
                </p>
                <p className={styles["dim"]}>
                  {worker.groups.join(", ")} · {worker.sandboxLevel} · seen{" "}
                  <Moment at={worker.lastSeenAt} isRelative />
                </p>
              </div>
              <span className="number">
                {worker.running} / {worker.concurrency}
              </span>
              <div className={styles["meter"]} aria-hidden>
                <span style={{ width: `${Math.min(100, (100 * worker.running) / worker.concurrency)}%` }} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
