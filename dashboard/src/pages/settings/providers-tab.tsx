import { Brain, Pencil, PlugZap, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type { LlmProvider, LlmProviderTest } from "../../../../src/contracts/api/llm-providers.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import type { Allowance } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { ProviderDialog } from "./provider-dialog.js";

/** Endpoints for language models. */
export function ProvidersTab({ mayManage }: { readonly mayManage: Allowance }) {
  const list = useList<LlmProvider>(queryKeys.providers, "/llm-providers");
  const [editing, setEditing] = useState<LlmProvider | "new">();
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button icon={Plus} blockedBecause={mayManage.reason} onClick={() => setEditing("new")}>
      New provider
    </Button>
  );
  const askDelete = useDeletion(queryKeys.providers);
  const remove = ({ id, name }: LlmProvider): Question =>
    askDelete({ path: `/llm-providers/${id}`, name, text: "Prompts that name it fail." });
  return (
    <div style={{ paddingTop: 14 }}>
      <Panel title="Providers" side={add} isFlush>
        <ListTable
          label="Providers"
          list={list}
          columns={columns(mayManage, setEditing, (provider) => setQuestion(remove(provider)))}
          rowKey={({ id }) => id}
          empty={
            <EmptyState icon={Brain} title="No provider yet" action={add}>
              Any endpoint that speaks OpenAI’s protocol will do: name its address and its key.
            </EmptyState>
          }
        />
      </Panel>
      {editing !== undefined && (
        <ProviderDialog
          provider={editing === "new" ? undefined : editing}
          onClose={() => setEditing(undefined)}
        />
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </div>
  );
}

function columns(
  mayManage: Allowance,
  onEdit: (provider: LlmProvider) => void,
  onRemove: (provider: LlmProvider) => void,
): Column<LlmProvider>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(120px, 1fr)",
      render: ({ name, isDefault }) => (
        <span className={layout["iconic"]}>
          <strong>{name}</strong>
          {isDefault && <Pill tone="good">Default</Pill>}
        </span>
      ),
    },
    {
      id: "url",
      header: "Address",
      width: "minmax(160px, 1.4fr)",
      weight: 2,
      render: ({ baseUrl }) => <span className={layout["dim"]}>{baseUrl}</span>,
    },
    {
      id: "models",
      header: "Prices of",
      width: "110px",
      render: ({ models }) => `${models.length} model${models.length === 1 ? "" : "s"}`,
    },
    {
      id: "key",
      header: "Key",
      width: "90px",
      weight: 2,
      render: ({ hasApiKey }) => (hasApiKey ? "stored" : <span className={layout["dim"]}>none</span>),
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "300px",
      align: "end",
      render: (provider) => (
        <ProviderActs provider={provider} mayManage={mayManage} onEdit={onEdit} onRemove={onRemove} />
      ),
    },
  ];
}

function ProviderActs({
  provider,
  mayManage,
  onEdit,
  onRemove,
}: {
  readonly provider: LlmProvider;
  readonly mayManage: Allowance;
  onEdit(provider: LlmProvider): void;
  onRemove(provider: LlmProvider): void;
}) {
  const { id, name } = provider;
  const [outcome, setOutcome] = useState<LlmProviderTest>();
  const { change, isBusy } = useChange();
  const test = async () =>
    setOutcome(
      await change(
        async () => await apiRequest<LlmProviderTest>(`/llm-providers/${id}/test`, { method: "POST" }),
        { failed: "Could not test" },
      ),
    );
  return (
    <span className={layout["rowActions"]}>
      {outcome && (
        <span role="status" title={outcome.error ?? outcome.models?.join(", ")}>
          {outcome.ok ? (
            <Pill tone="good">Answers in {outcome.latencyMs} ms</Pill>
          ) : (
            <Pill tone="bad">{outcome.error ?? "Failed"}</Pill>
          )}
        </span>
      )}
      <Button
        size="s"
        variant="quiet"
        icon={PlugZap}
        isBusy={isBusy}
        blockedBecause={mayManage.reason}
        aria-label={`Test ${name}`}
        onClick={() => void test()}
      >
        Test
      </Button>
      <Button
        size="s"
        variant="quiet"
        icon={Pencil}
        blockedBecause={mayManage.reason}
        aria-label={`Change ${name}`}
        onClick={() => onEdit(provider)}
      />
      <Button
        size="s"
        variant="quiet"
        icon={Trash2}
        blockedBecause={mayManage.reason}
        aria-label={`Delete ${name}`}
        onClick={() => onRemove(provider)}
      />
    </span>
  );
}
