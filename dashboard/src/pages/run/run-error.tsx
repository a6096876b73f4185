import { CircleX, Sparkles } from "lucide-react";
import type { Run } from "../../../../src/contracts/api/runs.js";
import { Button } from "../../components/button.js";
import { describeErrorCode } from "./error-words.js";
import styles from "./run-page.module.css";

/** Why the run failed, over everything else. */
export function RunError({
  error,
  onShow,
  onDiagnose,
}: {
  readonly error: NonNullable<Run["error"]>;
  onShow(stepId: string): void;
  /** Asks for its cause. */
  onDiagnose(): void;
}) {
  const { stepId } = error;
  return (
    <div className={styles["error"]} role="group" aria-label="Error of the run">
      <CircleX size={16} aria-hidden />
      <div>
        <strong>{describeErrorCode(error.code)}</strong>
        <p>{error.message}</p>
      </div>
      <div className={styles["errorActions"]}>
        <Button size="s" icon={Sparkles} onClick={onDiagnose}>
          Diagnose
        </Button>
        {stepId !== undefined && (
          <Button size="s" onClick={() => onShow(stepId)}>
            Show {stepId}
          </Button>
        )}
      </div>
    </div>
  );
}
