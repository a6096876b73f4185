import type { StepCounts } from "../../../../src/contracts/api/runs.js";
import styles from "./step-bar.module.css";

const ORDER = [
  "succeeded",
  "failed",
  "running",
  "waiting",
  "queued",
  "skipped",
  "canceled",
  "pending",
] as const;

/** How far a run's steps are, as a bar; the figures for who points at it or listens. */
export function StepBar({ counts }: { readonly counts: StepCounts }) {
  const parts = ORDER.filter((status) => counts[status] > 0);
  const done = counts.succeeded;
  const text = parts.map((status) => `${counts[status]} ${status}`).join(", ");
  return (
    <span className={styles["steps"]} title={text}>
      <span className={styles["bar"]} aria-hidden>
        {parts.map((status) => (
          <span key={status} className={styles[status]} style={{ flexGrow: counts[status] }} />
        ))}
      </span>
      <span className={styles["figure"]} aria-hidden>
        {done}/{counts.total}
      </span>
      <span className="visually-hidden">
        {text} of {counts.total} steps
      </span>
    </span>
  );
}
