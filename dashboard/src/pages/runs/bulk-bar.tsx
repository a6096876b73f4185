import { Ban, CopyPlus, RotateCcw } from "lucide-react";
import { useState } from "react";
import type { BulkAction, BulkOperation } from "../../../../src/contracts/api/bulk-operations.js";
import type { RunSummary } from "../../../../src/contracts/api/runs.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import { isOver } from "../../format/status.js";
import { BulkProgress } from "./bulk-progress.js";
import { isNarrowed, type RunFilters, toRunQuery } from "./run-filters.js";
import styles from "./runs-page.module.css";

const WORDS: Readonly<Record<BulkAction, { readonly verb: string; readonly what: string }>> = {
  cancel: { verb: "Cancel", what: "Running steps are killed with all their processes." },
  rerun: { verb: "Rerun", what: "New runs start from where these failed; what succeeded is reused." },
  replay: { verb: "Replay", what: "New runs start with the same inputs; nothing is reused." },
};

/** What can be done to the chosen runs, or to all that the filters leave; then how far it is. */
export function BulkBar({
  filters,
  selected,
  runs,
  onDone,
}: {
  readonly filters: RunFilters;
  readonly selected: ReadonlySet<string>;
  readonly runs: readonly RunSummary[];
  onDone(): void;
}) {
  const [question, setQuestion] = useState<Question>();
  const [operationId, setOperationId] = useState<string>();
  const cancel = useMay("run:cancel");
  const start = useMay("run:start");
  const isAll = selected.size === 0;
  const chosen = isAll ? runs : runs.filter(({ id }) => selected.has(id));
  const canCancel = chosen.some(({ status }) => !isOver(status));
  const canRepeat = chosen.some(({ status }) => isOver(status));

  function ask(action: BulkAction): void {
    const { verb, what } = WORDS[action];
    const meant = isAll ? "every run that these filters leave" : `${selected.size} runs`;
    setQuestion({
      title: `${verb} ${meant}?`,
      text: `${what} Runs that this does not fit are skipped. It can be stopped on the way.`,
      verb,
      isDangerous: action === "cancel",
      async act() {
        const filter = isAll ? toRunQuery(filters, Date.now()) : { ids: [...selected] };
        const operation = await apiRequest<BulkOperation>("/workflow-runs/bulk", {
          method: "POST",
          body: { action, filter },
        });
        setOperationId(operation.id);
        onDone();
      },
    });
  }

  const isShown = !isAll || (isNarrowed(filters) && runs.length > 0);
  return (
    <>
      {operationId !== undefined && (
        <div className={styles["bulk"]}>
          <BulkProgress id={operationId} onClose={() => setOperationId(undefined)} />
        </div>
      )}
      {isShown && (
        <div className={styles["bulk"]} role="group" aria-label="Many runs at once">
          <p aria-live="polite">{isAll ? "All that these filters leave:" : `${selected.size} selected:`}</p>
          {canCancel && (
            <Button size="s" icon={Ban} blockedBecause={cancel.reason} onClick={() => ask("cancel")}>
              Cancel
            </Button>
          )}
          {canRepeat && (
            <>
              <Button size="s" icon={RotateCcw} blockedBecause={start.reason} onClick={() => ask("rerun")}>
                Rerun
              </Button>
              <Button size="s" icon={CopyPlus} blockedBecause={start.reason} onClick={() => ask("replay")}>
                Replay
              </Button>
            </>
          )}
          {!isAll && (
            <Button size="s" variant="quiet" onClick={onDone}>
              Select none
            </Button>
          )}
        </div>
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </>
  );
}
