import { Panel } from "../../components/panel.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import styles from "./home-page.module.css";
import { useHealth } from "./use-summary.js";

const WORDS = { ok: "OK", degraded: "Degraded", down: "Down", unused: "Not used" } as const;
const NAMES: Readonly<Record<string, string>> = {
  database: "PostgreSQL",
  queue: "Queue",
  queues: "Queues",
  worker: "A worker reports",
  workers: "Workers",
  scheduler: "Scheduler",
  sandbox: "Sandbox",
  providers: "Model providers",
  redis: "Redis",
};

/** How each part of the installation does. */
export function HealthPanel() {
  const { data, error, refetch } = useHealth();
  return (
    <Panel title="System health" side={data && <span>{WORDS[data.status]}</span>} isFlush>
      {error && !data ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={6} />
      ) : (
        <ul className={styles["list"]}>
          {data.components.map(({ name, status, detail, latencyMs }) => (
            <li key={name} className={`${styles["item"]} ${styles["health"]}`}>
              <span className={`${styles["light"]} ${styles[status]}`} title={WORDS[status]} />
              <div className={styles["two"]}>
                <p className={styles["strong"]}>{NAMES[name] ?? name}</p>
                {detail && (
                  <p className={styles["dim"]} title={detail}>
                    {detail}
                  </p>
                )}
              </div>
              <span className={styles["dim"]}>
                {status === "ok" && latencyMs !== undefined ? `${Math.round(latencyMs)} ms` : WORDS[status]}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
