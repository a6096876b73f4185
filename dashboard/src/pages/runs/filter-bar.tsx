import { Search, Tag, Workflow, X } from "lucide-react";
import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useId, useState } from "react";
import type { WorkflowSummary } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { Button } from "../../components/button.js";
import { Input, Select } from "../../components/field.js";
import { isNarrowed, NO_FILTERS, type RunFilters, SINCE, TRIGGERS } from "./run-filters.js";
import styles from "./runs-page.module.css";

/** Text, workflow, labels, trigger and time. Texts take effect once nobody has typed for a moment. */
export function FilterBar({
  filters,
  onChange,
  searchRef,
}: {
  readonly filters: RunFilters;
  onChange(changes: Partial<RunFilters>): void;
  readonly searchRef: RefObject<HTMLInputElement | null>;
}) {
  const [text, setText] = useSettling(filters.q, (q) => onChange({ q }));
  const [workflow, setWorkflow] = useSettling(filters.workflow, (text) => onChange({ workflow: text }));
  const [label, setLabel] = useSettling(filters.label, (text) => onChange({ label: text }));
  const listId = useId();
  return (
    <div className={styles["filters"]} role="search" aria-label="Filter runs">
      <div className={styles["grow"]}>
        <Input
          ref={searchRef}
          icon={Search}
          type="search"
          maxLength={200}
          aria-label="Search names, labels, errors and ids"
          placeholder="Search names, labels, errors, ids"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <div className={styles["grow"]}>
        <Input
          icon={Workflow}
          type="search"
          list={listId}
          aria-label="Workflow, by name or id"
          placeholder="Workflow"
          value={workflow}
          onChange={(event) => setWorkflow(event.target.value)}
        />
        <WorkflowNames id={listId} text={workflow} />
      </div>
      <div className={styles["grow"]}>
        <Input
          icon={Tag}
          type="search"
          aria-label="Labels, as name:value"
          placeholder="Labels, as env:production"
          value={label}
          onChange={(event) => setLabel(event.target.value)}
        />
      </div>
      <Select
        aria-label="Trigger"
        value={filters.trigger}
        onChange={(event) => onChange({ trigger: event.target.value })}
        options={[{ value: "", label: "Any trigger" }, ...TRIGGERS]}
      />
      <Select
        aria-label="Created"
        value={filters.since}
        onChange={(event) => onChange({ since: event.target.value, from: "", to: "" })}
        options={[
          { value: "", label: "Any time" },
          ...Object.entries(SINCE).map(([value, since]) => ({ value, label: since.label })),
          { value: "custom", label: "Between …" },
        ]}
      />
      {filters.since === "custom" && <Between filters={filters} onChange={onChange} />}
      {isNarrowed(filters) && (
        <Button variant="quiet" icon={X} onClick={() => onChange(NO_FILTERS)}>
          Clear
        </Button>
      )}
    </div>
  );
}

function Between({
  filters,
  onChange,
}: {
  readonly filters: RunFilters;
  onChange(changes: Partial<RunFilters>): void;
}) {
  return (
    <>
      <Input
        className={styles["moment"] ?? ""}
        type="datetime-local"
        aria-label="Created after"
        value={filters.from}
        onChange={(event) => onChange({ from: event.target.value })}
      />
      <Input
        className={styles["moment"] ?? ""}
        type="datetime-local"
        aria-label="Created before"
        value={filters.to}
        onChange={(event) => onChange({ to: event.target.value })}
      />
    </>
  );
}

function WorkflowNames({ id, text }: { readonly id: string; readonly text: string }) {
  const { data } = useQuery({
    queryKey: queryKeys.workflows({ q: text, limit: 20 }),
    queryFn: async ({ signal }) =>
      await apiRequest<Page<WorkflowSummary>>("/workflow-definitions", {
        query: { q: text, limit: 20 },
        signal,
      }),
    placeholderData: (before) => before,
    staleTime: 30_000,
  });
  return (
    <datalist id={id}>
      {data?.items.map(({ name }) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}

const SETTLE_MS = 300;

/** A text that is written here and held elsewhere: told once it has settled, taken over when it changes there. */
function useSettling(held: string, tell: (text: string) => void): [string, (text: string) => void] {
  const [written, setWritten] = useState<string>();
  useEffect(() => {
    if (written === undefined) return;
    const timer = setTimeout(() => {
      tell(written);
      setWritten(undefined);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [written, tell]);
  return [written ?? held, setWritten];
}
