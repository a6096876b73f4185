import { useState } from "react";
import type { CatchUp, Overlap, ScheduleSummary } from "../../../../src/contracts/api/schedules.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { NumberField } from "../../components/number-field.js";
import { SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, defaultsOf, faultsUnder } from "../../components/schema-form-model.js";
import { FormFault } from "../../components/states.js";

interface Draft {
  readonly name: string;
  readonly kind: "cron" | "every";
  readonly cron: string;
  readonly everySeconds: number | undefined;
  readonly timezone: string;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  readonly input: unknown;
}

const OVERLAP_WORDS: readonly { readonly value: Overlap; readonly label: string }[] = [
  { value: "allow", label: "Start another" },
  { value: "skip", label: "Skip it" },
  { value: "queue", label: "Start it afterwards" },
];
const CATCH_UP_WORDS: readonly { readonly value: CatchUp; readonly label: string }[] = [
  { value: "none", label: "Leave them out" },
  { value: "latest", label: "Start the latest" },
  { value: "all", label: "Start all of them" },
];

/** Makes a schedule, or changes one. */
export function ScheduleDialog({
  workflow,
  schedule,
  onClose,
}: {
  readonly workflow: Workflow;
  readonly schedule: ScheduleSummary | undefined;
  onClose(): void;
}) {
  const schema = asFormSchema((workflow.definition as { readonly inputs?: unknown }).inputs);
  const [draft, setDraft] = useState<Draft>(() => ({
    name: schedule?.name ?? "",
    kind: schedule?.everySeconds ? "every" : "cron",
    cron: schedule?.cron ?? "0 6 * * *",
    everySeconds: schedule?.everySeconds ?? undefined,
    timezone: schedule?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    overlap: schedule?.overlap ?? "allow",
    catchUp: schedule?.catchUp ?? "none",
    input: schedule?.input ?? defaultsOf(schema) ?? {},
  }));
  const set = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const { change, isBusy, fault } = useChange();
  const faults = fault instanceof ApiError ? faultsUnder(fault.faults, "") : {};

  async function save(): Promise<void> {
    const { kind, cron, everySeconds, name, timezone, overlap, catchUp, input } = draft;
    const timing = kind === "cron" ? { cron } : { everySeconds };
    const body = { workflow: workflow.id, name, timezone, overlap, catchUp, input, ...timing };
    const saved = await change(
      async () =>
        schedule
          ? await apiRequest<object>(`/schedules/${schedule.id}`, {
              method: "PATCH",
              body,
              revision: schedule.revision,
            })
          : await apiRequest<object>("/schedules", { method: "POST", body }),
      { done: `${name} is saved`, stale: [queryKeys.schedules(workflow.id)] },
    );
    if (saved) onClose();
  }

  return (
    <Dialog
      title={schedule ? `Change ${schedule.name}` : "New schedule"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save schedule
          </Button>
        </>
      }
    >
      <Field label="Name" isRequired fault={faults["/name"]}>
        {(control) => (
          <Input
            {...control}
            value={draft.name}
            placeholder="every morning"
            onChange={(event) => set({ name: event.target.value })}
          />
        )}
      </Field>
      <TimingFields draft={draft} onChange={set} faults={faults} />
      <SchemaForm
        schema={schema}
        value={draft.input}
        onChange={(input) => set({ input })}
        faults={fault instanceof ApiError ? faultsUnder(fault.faults, "/input") : {}}
      />
      <FormFault error={fault} />
    </Dialog>
  );
}

function TimingFields({
  draft,
  onChange,
  faults,
}: {
  readonly draft: Draft;
  onChange(changes: Partial<Draft>): void;
  readonly faults: Readonly<Record<string, string>>;
}) {
  return (
    <>
      <div className={layout["row"]}>
        <Field label="Timing">
          {(control) => (
            <Select
              {...control}
              value={draft.kind}
              options={[
                { value: "cron", label: "Cron expression" },
                { value: "every", label: "Every so often" },
              ]}
              onChange={(event) => onChange({ kind: event.target.value as Draft["kind"] })}
            />
          )}
        </Field>
        {draft.kind === "cron" ? (
          <Field label="Cron" hint="minute hour day month weekday" fault={faults["/cron"]}>
            {(control) => (
              <Input
                {...control}
                className="mono"
                value={draft.cron}
                onChange={(event) => onChange({ cron: event.target.value })}
              />
            )}
          </Field>
        ) : (
          <NumberField
            label="Seconds"
            value={draft.everySeconds}
            fault={faults["/everySeconds"]}
            onChange={(everySeconds) => onChange({ everySeconds })}
          />
        )}
        <Field label="Time zone" fault={faults["/timezone"]}>
          {(control) => (
            <Input
              {...control}
              value={draft.timezone}
              onChange={(event) => onChange({ timezone: event.target.value })}
            />
          )}
        </Field>
      </div>
      <div className={layout["row"]}>
        <Field label="While an earlier run goes on">
          {(control) => (
            <Select
              {...control}
              value={draft.overlap}
              options={OVERLAP_WORDS}
              onChange={(event) => onChange({ overlap: event.target.value as Overlap })}
            />
          )}
        </Field>
        <Field label="What was missed while all was down">
          {(control) => (
            <Select
              {...control}
              value={draft.catchUp}
              options={CATCH_UP_WORDS}
              onChange={(event) => onChange({ catchUp: event.target.value as CatchUp })}
            />
          )}
        </Field>
      </div>
    </>
  );
}
