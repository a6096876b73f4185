import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { apiRequest, type QueryValue } from "./request.js";
import type { Page } from "./shapes.js";

const PAGE = 50;

/** A list of the API, page by page. */
export interface ApiList<Item> {
  /** Undefined until the first page is there. */
  readonly items: readonly Item[] | undefined;
  readonly error: Error | null;
  retry(): void;
  /** For {@link DataTable}: undefined when there is no more. */
  readonly more: { readonly isLoading: boolean; load(): void } | undefined;
}

/** Reads one; what was shown stays while other filters are read. */
export function useList<Item>(
  key: readonly unknown[],
  path: string,
  query: Readonly<Record<string, QueryValue>> = {},
  isEnabled = true,
): ApiList<Item> {
  const list = useInfiniteQuery({
    queryKey: [...key, "pages"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      await apiRequest<Page<Item>>(path, { query: { limit: PAGE, ...query, cursor: pageParam }, signal }),
    getNextPageParam: ({ nextCursor }) => nextCursor ?? undefined,
    placeholderData: (before) => before,
    enabled: isEnabled,
  });
  const { data, error, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = list;
  const items = useMemo(() => data?.pages.flatMap((page) => page.items), [data]);
  return {
    items,
    error,
    retry: () => void refetch(),
    more: hasNextPage ? { isLoading: isFetchingNextPage, load: () => void fetchNextPage() } : undefined,
  };
}

/** A value once nobody has changed it for a moment. */
export function useSettled<Value>(value: Value, afterMs = 250): Value {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}
