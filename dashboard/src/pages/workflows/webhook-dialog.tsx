import { useState } from "react";
import type { OpenedWebhook, WebhookMode } from "../../../../src/contracts/api/webhooks.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { Button } from "../../components/button.js";
import { Dialog } from "../../components/dialog.js";
import { Checkbox, Field, Input, Select } from "../../components/field.js";
import { FormFault } from "../../components/states.js";

/** Opens a webhook for a workflow. */
export function WebhookDialog({
  workflow,
  onClose,
  onOpened,
}: {
  readonly workflow: Workflow;
  onClose(): void;
  onOpened(webhook: OpenedWebhook): void;
}) {
  const [name, setName] = useState("");
  const [isSigned, setSigned] = useState(true);
  const [mode, setMode] = useState<WebhookMode>("accepted");
  const [filter, setFilter] = useState("");
  const { change, isBusy, fault, faultOf } = useChange();
  async function save(): Promise<void> {
    const body = {
      ...{ name, workflow: workflow.id, mode },
      ...(isSigned ? { generateSecret: true } : {}),
      ...(filter.trim() === "" ? {} : { filter }),
    };
    const opened = await change(
      async () => await apiRequest<OpenedWebhook>("/webhooks", { method: "POST", body }),
      { stale: [queryKeys.allWebhooks] },
    );
    if (opened) onOpened(opened);
  }
  return (
    <Dialog
      title="New webhook"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Open webhook
          </Button>
        </>
      }
    >
      <Field label="Name" isRequired fault={faultOf("/name")}>
        {(control) => (
          <Input
            {...control}
            placeholder="orders from the shop"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Checkbox
        label="Deliveries must be signed"
        hint="A secret is made and shown once: HMAC-SHA-256 over timestamp and body."
        checked={isSigned}
        onChange={(event) => setSigned(event.target.checked)}
      />
      <Field label="Answers">
        {(control) => (
          <Select
            {...control}
            value={mode}
            options={[
              { value: "accepted", label: "At once" },
              { value: "wait", label: "When the run has ended" },
            ]}
            onChange={(event) => setMode(event.target.value as WebhookMode)}
          />
        )}
      </Field>
      <Field
        label="Filter"
        hint="JSONata over body, headers and query; false starts no run."
        fault={faultOf("/filter")}
      >
        {(control) => (
          <Input
            {...control}
            className="mono"
            placeholder="body.type = 'order.paid'"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
        )}
      </Field>
      <FormFault error={fault} />
    </Dialog>
  );
}
