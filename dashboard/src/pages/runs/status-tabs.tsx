import { StatusIcon } from "../../components/status-badge.js";
import { RUN_STATUSES, STATUS_LOOKS } from "../../format/status.js";
import styles from "./runs-page.module.css";

/** The status that is looked at; one click, since it is what people ask for first. */
export function StatusTabs({
  status,
  onChoose,
}: {
  readonly status: string;
  onChoose(status: string): void;
}) {
  return (
    <div className={styles["tabs"]} role="group" aria-label="Status">
      <button type="button" aria-pressed={status === ""} onClick={() => onChoose("")}>
        All
      </button>
      {RUN_STATUSES.map((each) => (
        <button key={each} type="button" aria-pressed={status === each} onClick={() => onChoose(each)}>
          <StatusIcon status={each} size={13} isStill />
          {STATUS_LOOKS[each].label}
        </button>
      ))}
    </div>
  );
}
