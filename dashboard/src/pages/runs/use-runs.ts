import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import type { RunSummary } from "../../../../src/contracts/api/runs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { useRunMoves } from "../../app/live-runs.js";
import { type RunFilters, toRunQuery } from "./run-filters.js";

const PAGE = 50;

/** Runs that filters leave, newest first, page by page; what is shown follows the runs as they move. */
export function useRuns(filters: RunFilters) {
  const client = useQueryClient();
  const key = queryKeys.runs(filters);
  const query = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      await apiRequest<Page<RunSummary>>("/workflow-runs", {
        query: { ...toRunQuery(filters, Date.now()), limit: PAGE, cursor: pageParam },
        signal,
      }),
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: (before) => before,
    refetchInterval: 30_000,
  });
  useRunMoves(() => void client.invalidateQueries({ queryKey: key }));
  const runs = useMemo(() => query.data?.pages.flatMap(({ items }) => items), [query.data]);
  return { ...query, runs };
}
