import { useState } from "react";
import type { BackfillAnswer, ScheduleSummary } from "../../../../src/contracts/api/schedules.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { FormFault } from "../../components/states.js";

/** Starts runs for due times of the past that have none. */
export function BackfillDialog({
  schedule,
  workflowId,
  onClose,
}: {
  readonly schedule: ScheduleSummary;
  readonly workflowId: string;
  onClose(): void;
}) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [answer, setAnswer] = useState<BackfillAnswer>();
  const { change, isBusy, fault, faultOf } = useChange();
  async function start(): Promise<void> {
    const body = { from: toInstant(from), to: toInstant(to) };
    const done = await change(
      async () =>
        await apiRequest<BackfillAnswer>(`/schedules/${schedule.id}/backfill`, { method: "POST", body }),
      { stale: [queryKeys.schedules(workflowId), queryKeys.allRuns] },
    );
    setAnswer(done);
  }
  return (
    <Dialog
      title={`Backfill ${schedule.name}`}
      description="Starts a run for each due time of a past span that has none, at most 1,000."
      size="s"
      onClose={onClose}
      footer={
        answer ? (
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        ) : (
          <>
            <Button onClick={onClose}>Cancel</Button>
            <Button variant="primary" isBusy={isBusy} onClick={() => void start()}>
              Start runs
            </Button>
          </>
        )
      }
    >
      {answer ? (
        <p className={layout["note"]} role="status">
          {answer.count} runs were started; {answer.alreadyRun} due times had one before.
        </p>
      ) : (
        <>
          <Field label="From" isRequired fault={faultOf("/from")} hint="In your time zone.">
            {(control) => (
              <Input
                {...control}
                type="datetime-local"
                value={from}
                onChange={(event) => setFrom(event.target.value)}
              />
            )}
          </Field>
          <Field label="To" isRequired fault={faultOf("/to")}>
            {(control) => (
              <Input
                {...control}
                type="datetime-local"
                value={to}
                onChange={(event) => setTo(event.target.value)}
              />
            )}
          </Field>
          <FormFault error={fault} />
        </>
      )}
    </Dialog>
  );
}

/** What a field for a local time holds, with its zone; what is none goes as it is, to be judged. */
function toInstant(local: string): string {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? local : date.toISOString();
}
