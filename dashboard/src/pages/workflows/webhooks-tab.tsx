import { Ellipsis, KeyRound, Plus, Trash2, Webhook as WebhookIcon } from "lucide-react";
import { useState } from "react";
import type { OpenedWebhook, Webhook } from "../../../../src/contracts/api/webhooks.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { CodeBlock } from "../../components/code-block.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Menu, MenuItem, MenuLine } from "../../components/menu.js";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { WebhookDialog } from "./webhook-dialog.js";

/** What starts a workflow by a request from elsewhere. */
export function WebhooksTab({ workflow }: { readonly workflow: Workflow }) {
  const list = useList<Webhook>(queryKeys.webhooks(workflow.id), "/webhooks", { workflow: workflow.id });
  const mayWrite = useMay("webhook:write");
  const [isAdding, setAdding] = useState(false);
  const [opened, setOpened] = useState<OpenedWebhook>();
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button icon={Plus} blockedBecause={mayWrite.reason} onClick={() => setAdding(true)}>
      New webhook
    </Button>
  );
  return (
    <div style={{ paddingTop: 14 }}>
      <Panel title="Webhooks" side={add} isFlush>
        <ListTable
          label="Webhooks"
          list={list}
          columns={columns(setOpened, setQuestion)}
          rowKey={({ id }) => id}
          empty={
            <EmptyState icon={WebhookIcon} title="Nothing starts it by request" action={add}>
              A webhook is an address of its own: what is posted to it becomes the input of a run.
            </EmptyState>
          }
        />
      </Panel>
      {isAdding && (
        <WebhookDialog
          workflow={workflow}
          onClose={() => setAdding(false)}
          onOpened={(webhook) => {
            setAdding(false);
            setOpened(webhook);
          }}
        />
      )}
      {opened && <ShownOnce webhook={opened} onClose={() => setOpened(undefined)} />}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </div>
  );
}

/** The token of a webhook: shown now and never again. */
function ShownOnce({ webhook, onClose }: { readonly webhook: OpenedWebhook; onClose(): void }) {
  const url = new URL(webhook.url, location.origin).href;
  return (
    <Dialog
      title={`${webhook.name} is open`}
      description="Copy it now: its token is not shown again. Whoever has it can start runs."
      onClose={onClose}
      footer={
        <Button variant="primary" onClick={onClose}>
          I have copied it
        </Button>
      }
    >
      <div className={layout["once"]}>
        <CodeBlock label="Address" text={url} isWrapped />
        {webhook.secret && (
          <>
            <p>Deliveries must be signed with this secret:</p>
            <CodeBlock label="Secret" text={webhook.secret} isWrapped />
          </>
        )}
      </div>
      <CodeBlock
        label="Example"
        text={`curl -X POST ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'`}
      />
    </Dialog>
  );
}

function columns(
  onOpened: (webhook: OpenedWebhook) => void,
  onAsk: (question: Question) => void,
): Column<Webhook>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(140px, 1fr)",
      render: ({ name, enabled }) => (
        <span className={layout["iconic"]}>
          <strong className="cut">{name}</strong>
          {!enabled && <Pill tone="wait">Closed</Pill>}
        </span>
      ),
    },
    {
      id: "signed",
      header: "Deliveries",
      width: "130px",
      render: ({ hasSecret }) => (hasSecret ? <Pill tone="good">Signed</Pill> : <Pill>Not signed</Pill>),
    },
    {
      id: "mode",
      header: "Answers",
      width: "150px",
      render: ({ mode, waitSeconds }) =>
        mode === "accepted" ? "at once" : `with the result, ${waitSeconds} s at most`,
    },
    {
      id: "made",
      header: "Made",
      width: "110px",
      weight: 2,
      render: ({ createdAt }) => <Moment at={createdAt} />,
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "130px",
      align: "end",
      render: (webhook) => <WebhookActs webhook={webhook} onOpened={onOpened} onAsk={onAsk} />,
    },
  ];
}

function WebhookActs({
  webhook,
  onOpened,
  onAsk,
}: {
  readonly webhook: Webhook;
  onOpened(webhook: OpenedWebhook): void;
  onAsk(question: Question): void;
}) {
  const { id, name, enabled, revision } = webhook;
  const mayWrite = useMay("webhook:write");
  const { change, isBusy } = useChange();
  const stale = [queryKeys.allWebhooks];
  const askDelete = useDeletion(...stale);
  return (
    <span className={layout["rowActions"]}>
      <Button
        size="s"
        variant="quiet"
        isBusy={isBusy}
        blockedBecause={mayWrite.reason}
        onClick={() =>
          void change(
            async () =>
              await apiRequest(`/webhooks/${id}`, { method: "PATCH", body: { enabled: !enabled }, revision }),
            { done: enabled ? `${name} is closed` : `${name} is open`, failed: "Could not change it", stale },
          )
        }
      >
        {enabled ? "Close" : "Open"}
      </Button>
      <Menu button={<Button size="s" variant="quiet" icon={Ellipsis} aria-label={`More about ${name}`} />}>
        <MenuItem
          icon={KeyRound}
          blockedBecause={mayWrite.reason}
          onSelect={() =>
            onAsk({
              title: `Give ${name} another token?`,
              text: "The present address stops working at once.",
              verb: "Rotate token",
              async act() {
                const rotated = await apiRequest<OpenedWebhook>(`/webhooks/${id}/rotate`, { method: "POST" });
                onOpened(rotated);
              },
            })
          }
        >
          Rotate token
        </MenuItem>
        <MenuLine />
        <MenuItem
          icon={Trash2}
          isDangerous
          blockedBecause={mayWrite.reason}
          onSelect={() =>
            onAsk(
              askDelete({
                path: `/webhooks/${id}`,
                name,
                text: "Its address stops working at once. Its runs stay.",
              }),
            )
          }
        >
          Delete
        </MenuItem>
      </Menu>
    </span>
  );
}
