import { PiggyBank, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import type {
  BudgetAction,
  BudgetPeriod,
  BudgetScope,
  LlmBudget,
} from "../../../../src/contracts/api/llm-budgets.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import type { Allowance } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { NumberField } from "../../components/number-field.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState, FormFault } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";

const SCOPES: Readonly<Record<BudgetScope, string>> = {
  run: "Each run",
  workflow: "Each workflow",
  provider: "Each provider",
  day: "Everybody, each day",
};
const PERIODS: Readonly<Record<BudgetPeriod, string>> = {
  total: "in all",
  month: "a month",
  day: "a day",
};
const ACTIONS: Readonly<Record<BudgetAction, string>> = {
  stop: "Fail the step",
  approve: "Wait for approval",
};

/** What calls to models may cost. */
export function BudgetsTab({ mayManage }: { readonly mayManage: Allowance }) {
  const list = useList<LlmBudget>(queryKeys.budgets, "/llm-budgets", {}, mayManage.isAllowed);
  const [isAdding, setAdding] = useState(false);
  const [question, setQuestion] = useState<Question>();
  const add = (
    <Button icon={Plus} blockedBecause={mayManage.reason} onClick={() => setAdding(true)}>
      New budget
    </Button>
  );
  const askDelete = useDeletion(queryKeys.budgets);
  const remove = ({ id, name }: LlmBudget): Question =>
    askDelete({ path: `/llm-budgets/${id}`, name, text: "Nothing is held to it any more." });
  return (
    <div style={{ paddingTop: 14 }}>
      <Panel title="Budgets" side={add} isFlush>
        {!mayManage.isAllowed ? (
          <p style={{ padding: 16 }}>{mayManage.reason}</p>
        ) : (
          <ListTable
            label="Budgets"
            list={list}
            columns={columns((budget) => setQuestion(remove(budget)))}
            rowKey={({ id }) => id}
            empty={
              <EmptyState icon={PiggyBank} title="Nothing is held to a budget" action={add}>
                A budget stops a step, or has a person asked, before it spends more than you said.
              </EmptyState>
            }
          />
        )}
      </Panel>
      {isAdding && <BudgetDialog onClose={() => setAdding(false)} />}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </div>
  );
}

function columns(onRemove: (budget: LlmBudget) => void): Column<LlmBudget>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(120px, 1fr)",
      render: ({ name, enabled }) => (
        <span className={layout["iconic"]}>
          <strong className="cut">{name}</strong>
          {!enabled && <Pill tone="wait">Off</Pill>}
        </span>
      ),
    },
    {
      id: "scope",
      header: "Whose spending",
      width: "minmax(120px, 1fr)",
      render: ({ scope }) => SCOPES[scope],
    },
    {
      id: "limit",
      header: "At most",
      width: "minmax(140px, 1fr)",
      render: ({ maxCost, maxTokens, period }) =>
        [
          maxCost === null ? "" : `cost ${maxCost}`,
          maxTokens === null ? "" : `${maxTokens.toLocaleString("en-US")} tokens`,
          PERIODS[period],
        ]
          .filter((text) => text !== "")
          .join(" "),
    },
    { id: "then", header: "Then", width: "150px", weight: 2, render: ({ action }) => ACTIONS[action] },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "60px",
      align: "end",
      render: (budget) => (
        <Button
          size="s"
          variant="quiet"
          icon={Trash2}
          aria-label={`Delete ${budget.name}`}
          onClick={() => onRemove(budget)}
        />
      ),
    },
  ];
}

function BudgetDialog({ onClose }: { onClose(): void }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<BudgetScope>("workflow");
  const [period, setPeriod] = useState<BudgetPeriod>("month");
  const [action, setAction] = useState<BudgetAction>("stop");
  const [maxCost, setMaxCost] = useState<number>();
  const [maxTokens, setMaxTokens] = useState<number>();
  const { change, isBusy, fault, faultOf } = useChange();
  const hasPeriod = scope === "workflow" || scope === "provider";
  async function save(): Promise<void> {
    const ownPeriod = hasPeriod ? period : scope === "run" ? "total" : "day";
    const limits = {
      ...(maxCost === undefined ? {} : { maxCost }),
      ...(maxTokens === undefined ? {} : { maxTokens }),
    };
    const body = { name, scope, period: ownPeriod, action, ...limits };
    const saved = await change(
      async () => await apiRequest<object>("/llm-budgets", { method: "POST", body }),
      { done: `${name} holds from now on`, stale: [queryKeys.budgets] },
    );
    if (saved) onClose();
  }
  const choice = <Value extends string>(
    label: string,
    words: Readonly<Record<Value, string>>,
    value: Value,
    set: (value: Value) => void,
  ) => (
    <Field label={label}>
      {(control) => (
        <Select
          {...control}
          value={value}
          options={(Object.keys(words) as Value[]).map((each) => ({ value: each, label: words[each] }))}
          onChange={(event) => set(event.target.value as Value)}
        />
      )}
    </Field>
  );
  return (
    <Dialog
      title="New budget"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" isBusy={isBusy} onClick={() => void save()}>
            Save budget
          </Button>
        </>
      }
    >
      <Field label="Name" isRequired fault={faultOf("/name")}>
        {(control) => <Input {...control} value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <div className={layout["row"]}>
        {choice("Whose spending", SCOPES, scope, setScope)}
        {hasPeriod && choice("Summed", PERIODS, period, setPeriod)}
      </div>
      <div className={layout["row"]}>
        <NumberField label="Most cost" value={maxCost} fault={faultOf("/maxCost")} onChange={setMaxCost} />
        <NumberField
          label="Most tokens"
          value={maxTokens}
          fault={faultOf("/maxTokens")}
          onChange={setMaxTokens}
        />
      </div>
      {choice("What would spend more", ACTIONS, action, setAction)}
      <FormFault error={fault} />
    </Dialog>
  );
}
