import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import type { ApiKey, CreatedApiKey } from "../../../../src/contracts/api/api-keys.js";
import { queryKeys } from "../../api/query-keys.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { CodeBlock } from "../../components/code-block.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { ApiKeyDialog } from "./api-key-dialog.js";

/** Keys for programs. */
export function ApiKeysPage() {
  const list = useList<ApiKey>(queryKeys.apiKeys, "/auth/api-keys");
  const mayOwn = useMay("api-key:own");
  const [isAdding, setAdding] = useState(false);
  const [created, setCreated] = useState<CreatedApiKey>();
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button variant="primary" icon={Plus} blockedBecause={mayOwn.reason} onClick={() => setAdding(true)}>
      New API key
    </Button>
  );
  const askRevoke = useDeletion(queryKeys.apiKeys);
  const revoke = ({ id, name }: ApiKey): Question =>
    askRevoke({
      path: `/auth/api-keys/${id}`,
      name,
      text: "Programs that use it are refused at once.",
      verb: "Revoke",
    });
  return (
    <>
      <PageHeader title="API keys" actions={add}>
        <span>For programs: sent as “Authorization: Bearer hr_…”. A key never exceeds its owner.</span>
      </PageHeader>
      <Panel isFlush>
        <ListTable
          label="API keys"
          list={list}
          columns={columns((key) => setQuestion(revoke(key)))}
          rowKey={({ id }) => id}
          empty={
            <EmptyState icon={KeyRound} title="No API key yet" action={add}>
              Give each program its own, with the weakest role that will do.
            </EmptyState>
          }
        />
      </Panel>
      {isAdding && (
        <ApiKeyDialog
          onClose={() => setAdding(false)}
          onCreated={(key) => {
            setAdding(false);
            setCreated(key);
          }}
        />
      )}
      {created && (
        <Dialog
          title={`${created.name} is ready`}
          description="Copy it now: it is not shown again."
          onClose={() => setCreated(undefined)}
          footer={
            <Button variant="primary" onClick={() => setCreated(undefined)}>
              I have copied it
            </Button>
          }
        >
          <div className={layout["once"]}>
            <CodeBlock label="API key" text={created.key} isWrapped />
          </div>
        </Dialog>
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </>
  );
}

function columns(onRevoke: (key: ApiKey) => void): Column<ApiKey & { scopes?: readonly string[] | null }>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(140px, 1fr)",
      render: ({ name, revokedAt, expiresAt }) => (
        <span className={layout["iconic"]}>
          <strong className="cut">{name}</strong>
          {revokedAt ? (
            <Pill tone="bad">Revoked</Pill>
          ) : (
            expiresAt && new Date(expiresAt) < new Date() && <Pill tone="wait">Expired</Pill>
          )}
        </span>
      ),
    },
    { id: "prefix", header: "Begins with", width: "130px", render: ({ prefix }) => <code>{prefix}…</code> },
    {
      id: "role",
      header: "May",
      width: "150px",
      render: ({ role, scopes }) => (scopes ? `${role}, ${scopes.length} scopes` : role),
    },
    {
      id: "expires",
      header: "Ends",
      width: "130px",
      weight: 2,
      render: ({ expiresAt }) =>
        expiresAt ? <Moment at={expiresAt} /> : <span className={layout["dim"]}>never</span>,
    },
    {
      id: "used",
      header: "Last used",
      width: "110px",
      weight: 2,
      render: ({ lastUsedAt }) => <Moment at={lastUsedAt} isRelative />,
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "90px",
      align: "end",
      render: (key) =>
        key.revokedAt ? null : (
          <Button size="s" variant="quiet" aria-label={`Revoke ${key.name}`} onClick={() => onRevoke(key)}>
            Revoke
          </Button>
        ),
    },
  ];
}
