import { Download, ScrollText, ShieldCheck } from "lucide-react";
import { useState } from "react";
import type { infer as Infer } from "zod";
import type { ActionLog, chainVerdictSchema } from "../../../../src/contracts/api/action-logs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest, apiUrl } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList, useSettled } from "../../api/use-list.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Button } from "../../components/button.js";
import { type Column, DataTable } from "../../components/data-table.js";
import { Dialog } from "../../components/dialog.js";
import { Field, Input } from "../../components/field.js";
import { JsonView } from "../../components/json-view.js";
import layout from "../../components/layout.module.css";
import { Menu, MenuItem } from "../../components/menu.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Fact, Facts, Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";

type Verdict = Infer<typeof chainVerdictSchema>;

const FILTERS = { actor: "", action: "", entityType: "", entityId: "", from: "", to: "" };

/** Everything that was done, by whom, in a chain that shows whether it was tampered with. */
export function AuditPage() {
  const [filters, setFilters] = useUrlState(FILTERS);
  const settled = useSettled(filters);
  const query = { ...settled, from: toInstant(settled.from), to: toInstant(settled.to) };
  const { items, error, retry, more } = useList<ActionLog>(queryKeys.audit(query), "/action-logs", query);
  const [shown, setShown] = useState<ActionLog>();
  const [verdict, setVerdict] = useState<Verdict>();
  const { change, isBusy } = useChange();
  const verify = async () =>
    setVerdict(
      await change(async () => await apiRequest<Verdict>("/action-logs/verify"), {
        failed: "Could not verify",
      }),
    );
  const field = (name: keyof typeof FILTERS, label: string, placeholder: string, type = "text") => (
    <Field label={label}>
      {(control) => (
        <Input
          {...control}
          type={type}
          placeholder={placeholder}
          value={filters[name]}
          onChange={(event) => setFilters({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <>
      <PageHeader
        title="Audit log"
        actions={
          <>
            <Menu button={<Button icon={Download}>Export</Button>}>
              {(["csv", "ndjson"] as const).map((format) => (
                <MenuItem
                  key={format}
                  onSelect={() => location.assign(apiUrl("/action-logs", { ...query, format }))}
                >
                  As {format.toUpperCase()}, with these filters
                </MenuItem>
              ))}
            </Menu>
            <Button icon={ShieldCheck} isBusy={isBusy} onClick={() => void verify()}>
              Verify
            </Button>
          </>
        }
      />
      {verdict && <VerdictNote verdict={verdict} />}
      <div className={layout["row"]} style={{ marginBottom: 12 }}>
        {field("actor", "Who", "name or id")}
        {field("action", "Action", "workflow.* or run.cancel")}
        {field("entityType", "Kind of thing", "secret")}
        {field("entityId", "Id of the thing", "id or name")}
        {field("from", "From", "", "datetime-local")}
        {field("to", "To", "", "datetime-local")}
      </div>
      <Panel isFlush>
        {error ? (
          <ErrorPanel error={error} onRetry={retry} />
        ) : !items ? (
          <Skeleton lines={8} height={18} />
        ) : items.length === 0 ? (
          <EmptyState
            icon={ScrollText}
            title="No entry fits"
            action={<Button onClick={() => setFilters(FILTERS)}>Clear the filters</Button>}
          />
        ) : (
          <DataTable
            label="Audit log"
            rows={items}
            columns={columns(setShown)}
            rowKey={({ id }) => id}
            more={more}
          />
        )}
      </Panel>
      {shown && <EntryDialog entry={shown} onClose={() => setShown(undefined)} />}
    </>
  );
}

function VerdictNote({ verdict }: { readonly verdict: Verdict }) {
  return (
    <p
      role="status"
      className={`${layout["note"]} ${verdict.valid ? layout["good"] : layout["bad"]}`}
      style={{ marginBottom: 12 }}
    >
      {verdict.valid
        ? `The chain holds: ${verdict.checkedCount} entries were checked.`
        : `The chain is broken at entry ${verdict.firstBadSeq ?? "?"}: ${verdict.reason ?? "it does not fit"}.`}
      {verdict.head && (
        <>
          {" "}
          Last entry {verdict.head.seq}: <code>{verdict.head.hash.slice(0, 16)}…</code>
        </>
      )}
    </p>
  );
}

const TONES = { succeeded: "good", denied: "bad", failed: "wait" } as const;

function columns(onShow: (entry: ActionLog) => void): Column<ActionLog>[] {
  return [
    { id: "at", header: "When", width: "130px", render: ({ at }) => <Moment at={at} /> },
    { id: "actor", header: "Who", width: "minmax(120px, 1fr)", render: ({ actor }) => actor.name },
    {
      id: "action",
      header: "Action",
      width: "minmax(150px, 1fr)",
      render: (entry) => (
        <Button size="s" variant="quiet" onClick={() => onShow(entry)}>
          <code>{entry.action}</code>
        </Button>
      ),
    },
    {
      id: "outcome",
      header: "Outcome",
      width: "100px",
      render: ({ outcome }) => <Pill tone={TONES[outcome]}>{outcome}</Pill>,
    },
    {
      id: "thing",
      header: "Thing",
      width: "minmax(150px, 1.2fr)",
      weight: 2,
      render: ({ entityType, entityId }) => (
        <span>
          {entityType} <span className={layout["dim"]}>{entityId}</span>
        </span>
      ),
    },
    {
      id: "address",
      header: "From",
      width: "110px",
      weight: 3,
      render: ({ address }) => <span className={layout["dim"]}>{address ?? "–"}</span>,
    },
  ];
}

function EntryDialog({ entry, onClose }: { readonly entry: ActionLog; onClose(): void }) {
  return (
    <Dialog title={`${entry.action}, entry ${entry.seq}`} size="l" onClose={onClose}>
      <Facts>
        <Fact name="When">
          <Moment at={entry.at} />
        </Fact>
        <Fact name="Who">
          {entry.actor.name} ({entry.actor.type})
        </Fact>
        <Fact name="Request">{entry.requestId ?? "–"}</Fact>
        <Fact name="Hash">
          <code>{entry.hash}</code>
        </Fact>
        <Fact name="Before it">
          <code>{entry.previousHash}</code>
        </Fact>
      </Facts>
      {entry.before !== null && (
        <section>
          <h3>Before</h3>
          <JsonView label="Before" value={entry.before} />
        </section>
      )}
      {entry.after !== null && (
        <section>
          <h3>After</h3>
          <JsonView label="After" value={entry.after} />
        </section>
      )}
    </Dialog>
  );
}

/** A local time as the API takes it; none when it is not complete. */
function toInstant(local: string): string {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}
