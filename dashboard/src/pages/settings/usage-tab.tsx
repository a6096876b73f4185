import { useQuery } from "@tanstack/react-query";
import { ChartNoAxesColumn } from "lucide-react";
import { useState } from "react";
import type { LlmUsageSummary, UsageGroup } from "../../../../src/contracts/api/llm-budgets.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { type Column, DataTable } from "../../components/data-table.js";
import { Select } from "../../components/field.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import { formatCost, formatCount } from "../../format/numbers.js";

const GROUPS: Readonly<Record<UsageGroup, string>> = {
  day: "By day",
  provider: "By provider",
  model: "By model",
  workflow: "By workflow",
  run: "By run",
};
type UsageRow = LlmUsageSummary["items"][number];

/** What calls to models took in the last thirty days. */
export function UsageTab() {
  const [groupBy, setGroupBy] = useState<UsageGroup>("day");
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.usage({ groupBy }),
    queryFn: async ({ signal }) =>
      await apiRequest<LlmUsageSummary>("/llm-usage", { query: { groupBy }, signal }),
    placeholderData: (before) => before,
  });
  return (
    <div style={{ paddingTop: 14 }}>
      <Panel
        title="The last thirty days"
        side={
          <Select
            aria-label="Grouped"
            value={groupBy}
            options={(Object.keys(GROUPS) as UsageGroup[]).map((value) => ({ value, label: GROUPS[value] }))}
            onChange={(event) => setGroupBy(event.target.value as UsageGroup)}
          />
        }
        isFlush
      >
        {error && !data ? (
          <ErrorPanel error={error} onRetry={() => void refetch()} />
        ) : !data ? (
          <Skeleton />
        ) : data.items.length === 0 ? (
          <EmptyState icon={ChartNoAxesColumn} title="No model was called">
            What prompts and the copilot take appears here.
          </EmptyState>
        ) : (
          <DataTable
            label="Usage"
            rows={[...data.items, { ...data.total, key: "All" }]}
            columns={COLUMNS}
            rowKey={({ key }) => key}
          />
        )}
      </Panel>
    </div>
  );
}

const COLUMNS: Column<UsageRow>[] = [
  { id: "key", header: "What", width: "minmax(140px, 1fr)", render: ({ key }) => <strong>{key}</strong> },
  { id: "calls", header: "Calls", width: "100px", align: "end", render: ({ calls }) => formatCount(calls) },
  {
    id: "input",
    header: "Input tokens",
    width: "130px",
    align: "end",
    render: ({ inputTokens }) => formatCount(inputTokens),
  },
  {
    id: "output",
    header: "Output tokens",
    width: "130px",
    align: "end",
    render: ({ outputTokens }) => formatCount(outputTokens),
  },
  { id: "cost", header: "Cost", width: "100px", align: "end", render: ({ cost }) => formatCost(cost) },
];
