import type { RunStatus, StepStatus } from "../../../src/core/statuses.js";
import { STATUS_LOOKS } from "../format/status.js";
import styles from "./status-badge.module.css";

/** A status in its colour, with its icon and word. */
export function StatusBadge({ status }: { readonly status: RunStatus | StepStatus }) {
  const { label, tone } = STATUS_LOOKS[status];
  return (
    <span className={`${styles["badge"]} ${styles[tone]}`} data-status={status}>
      <StatusIcon status={status} />
      {label}
    </span>
  );
}

/** Its icon alone; `isNamed` says the word to those who do not see it. */
export function StatusIcon({
  status,
  size = 14,
  isNamed = false,
  isStill = false,
}: {
  readonly status: RunStatus | StepStatus;
  readonly size?: number;
  /** It names a status and is nobody's: nothing moves. */
  readonly isStill?: boolean;
  readonly isNamed?: boolean;
}) {
  const { label, tone, icon: Icon } = STATUS_LOOKS[status];
  return (
    <span className={`${styles["icon"]} ${styles[tone]}`} title={isNamed ? label : undefined}>
      <Icon
        size={size}
        aria-hidden
        className={status === "running" && !isStill ? styles["spin"] : undefined}
      />
      {isNamed && <span className="visually-hidden">{label}</span>}
    </span>
  );
}
