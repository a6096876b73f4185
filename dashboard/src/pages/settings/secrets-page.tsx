import { LockKeyhole, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { Secret } from "../../../../src/contracts/api/secrets.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input, TextArea } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { LinesField } from "../../components/lines-field.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, FormFault } from "../../components/states.js";
import { Tags } from "../../components/tags.js";
import { useDeletion } from "../../components/use-deletion.js";

/** Stored secrets. Values go in and never come out. */
export function SecretsPage() {
  const list = useList<Secret>(queryKeys.secrets, "/secrets");
  const mayWrite = useMay("secret:write");
  const [writing, setWriting] = useState<Secret | "new">();
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button variant="primary" icon={Plus} blockedBecause={mayWrite.reason} onClick={() => setWriting("new")}>
      New secret
    </Button>
  );
  const askDelete = useDeletion(queryKeys.secrets);
  const remove = ({ name }: Secret): Question =>
    askDelete({
      path: `/secrets/${name}`,
      name,
      text: "Steps and components that name it fail from now on.",
    });
  return (
    <>
      <PageHeader title="Secrets" actions={add}>
        <span>
          Encrypted at rest, masked in logs and outputs. A value that is stored is never shown again.
        </span>
      </PageHeader>
      <Panel isFlush>
        <ListTable
          label="Secrets"
          list={list}
          columns={columns(mayWrite.reason, setWriting, (secret) => setQuestion(remove(secret)))}
          rowKey={({ name }) => name}
          empty={
            <EmptyState icon={LockKeyhole} title="No secret yet" action={add}>
              Keep tokens and passwords here. Steps take them as inputs, scripts as environment variables.
            </EmptyState>
          }
        />
      </Panel>
      {writing !== undefined && (
        <SecretDialog
          secret={writing === "new" ? undefined : writing}
          onClose={() => setWriting(undefined)}
        />
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </>
  );
}

function columns(
  blockedBecause: string | undefined,
  onWrite: (secret: Secret) => void,
  onRemove: (secret: Secret) => void,
): Column<Secret>[] {
  return [
    { id: "name", header: "Name", width: "minmax(160px, 1fr)", render: ({ name }) => <code>{name}</code> },
    {
      id: "about",
      header: "Description",
      width: "minmax(140px, 1.4fr)",
      weight: 2,
      render: ({ description }) => description ?? <span className={layout["dim"]}>–</span>,
    },
    {
      id: "hosts",
      header: "Sent to",
      width: "minmax(120px, 1fr)",
      weight: 2,
      render: ({ hosts }) =>
        hosts ? <Tags tags={hosts} /> : <span className={layout["dim"]}>any host</span>,
    },
    {
      id: "changed",
      header: "Changed",
      width: "110px",
      render: ({ updatedAt }) => <Moment at={updatedAt} isRelative />,
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "170px",
      align: "end",
      render: (secret) => (
        <span className={layout["rowActions"]}>
          <Button
            size="s"
            variant="quiet"
            icon={Pencil}
            blockedBecause={blockedBecause}
            aria-label={`Replace ${secret.name}`}
            onClick={() => onWrite(secret)}
          >
            Replace
          </Button>
          <Button
            size="s"
            variant="quiet"
            icon={Trash2}
            blockedBecause={blockedBecause}
            aria-label={`Delete ${secret.name}`}
            onClick={() => onRemove(secret)}
          />
        </span>
      ),
    },
  ];
}

function SecretDialog({ secret, onClose }: { readonly secret: Secret | undefined; onClose(): void }) {
  const [name, setName] = useState(secret?.name ?? "");
  const [value, setValue] = useState("");
  const [description, setDescription] = useState(secret?.description ?? "");
  const [hosts, setHosts] = useState<readonly string[]>(secret?.hosts ?? []);
  const { change, isBusy, fault, faultOf } = useChange();
  async function save(): Promise<void> {
    const body = {
      value,
      ...(description === "" ? {} : { description }),
      ...(hosts.length > 0 ? { hosts } : {}),
    };
    const saved = await change(
      async () => await apiRequest<object>(`/secrets/${encodeURIComponent(name)}`, { method: "PUT", body }),
      { done: `${name} is stored`, stale: [queryKeys.secrets] },
    );
    if (saved) onClose();
  }
  return (
    <Dialog
      title={secret ? `Replace ${secret.name}` : "New secret"}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Store secret
          </Button>
        </>
      }
    >
      {!secret && (
        <Field
          label="Name"
          isRequired
          hint="Capitals, digits and _: scripts find it under this name."
          fault={faultOf("/name")}
        >
          {(control) => (
            <Input
              {...control}
              className="mono"
              placeholder="SHOP_API_TOKEN"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      )}
      <Field label="Value" isRequired hint="Not shown again." fault={faultOf("/value")}>
        {(control) => (
          <TextArea
            {...control}
            isCode
            autoComplete="off"
            value={value}
            onChange={(event) => setValue(event.target.value)}
          />
        )}
      </Field>
      <Field label="Description" fault={faultOf("/description")}>
        {(control) => (
          <Input {...control} value={description} onChange={(event) => setDescription(event.target.value)} />
        )}
      </Field>
      <LinesField
        label="Hosts it may be sent to"
        hint="One a line, *.example.com for all below. Empty: any host."
        placeholder="api.example.com"
        value={hosts}
        fault={faultOf("/hosts")}
        onChange={setHosts}
      />
      <FormFault error={fault} />
    </Dialog>
  );
}
