import { useQuery } from "@tanstack/react-query";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Lineage } from "../../../../src/contracts/api/graphs.js";

/** A lineage that is being read. */
export interface LineageRead {
  readonly data: Lineage | undefined;
  readonly error: Error | null;
  /** This server draws lineages. */
  readonly isOffered: boolean;
}

/** Reads the lineage of a version. */
export function useLineage(versionId: string | undefined): LineageRead {
  const { data, error } = useQuery({
    queryKey: queryKeys.lineage(versionId ?? ""),
    queryFn: async ({ signal }) =>
      await apiRequest<Lineage>(`/graphs/mcp-versions/${versionId}/lineage`, { signal }),
    enabled: versionId !== undefined,
    staleTime: 30_000,
  });
  const isMissing = error instanceof ApiError && error.status === 404;
  return { data, error: isMissing ? null : error, isOffered: !isMissing };
}
