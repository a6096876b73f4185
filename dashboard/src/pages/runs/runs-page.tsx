import { Play } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "../../components/button.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { useShortcuts } from "../../app/shortcuts.js";
import { useUrlState } from "../../app/use-url-state.js";
import { BulkBar } from "./bulk-bar.js";
import { isNarrowed, NO_FILTERS, type RunFilters } from "./run-filters.js";
import { FilterBar } from "./filter-bar.js";
import { RunsTable } from "./runs-table.js";
import { StatusTabs } from "./status-tabs.js";
import { useRuns } from "./use-runs.js";

/** Every run, narrowed by what the URL says. */
export function RunsPage() {
  const [state, setState] = useUrlState<keyof RunFilters>({ ...NO_FILTERS });
  const filters: RunFilters = state;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const search = useRef<HTMLInputElement>(null);
  const { runs, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useRuns(filters);
  useShortcuts({ "/": () => search.current?.focus() });

  function narrow(changes: Partial<RunFilters>): void {
    setSelected(new Set());
    setState(changes);
  }

  return (
    <>
      <PageHeader title="Runs" />
      <StatusTabs status={filters.status} onChoose={(status) => narrow({ status })} />
      <FilterBar filters={filters} onChange={narrow} searchRef={search} />
      <BulkBar
        filters={filters}
        selected={selected}
        runs={runs ?? []}
        onDone={() => setSelected(new Set())}
      />
      <Panel isFlush>
        {error && !runs ? (
          <ErrorPanel error={error} onRetry={() => void refetch()} />
        ) : !runs ? (
          <Skeleton lines={8} height={18} />
        ) : runs.length === 0 ? (
          <NoRuns isFiltered={isNarrowed(filters)} onClear={() => narrow(NO_FILTERS)} />
        ) : (
          <RunsTable
            runs={runs}
            selected={selected}
            onSelect={setSelected}
            onFilter={narrow}
            more={
              hasNextPage ? { isLoading: isFetchingNextPage, load: () => void fetchNextPage() } : undefined
            }
          />
        )}
      </Panel>
    </>
  );
}

function NoRuns({ isFiltered, onClear }: { readonly isFiltered: boolean; onClear(): void }) {
  return isFiltered ? (
    <EmptyState
      icon={Play}
      title="No run fits these filters"
      action={<Button onClick={onClear}>Clear the filters</Button>}
    >
      Runs that fit appear here by themselves.
    </EmptyState>
  ) : (
    <EmptyState icon={Play} title="No run yet">
      Start a workflow from its page, by a schedule or webhook, or with{" "}
      <code>npx headrace run NAME --follow</code>.
    </EmptyState>
  );
}
