import { useQuery } from "@tanstack/react-query";
import type { DashboardSummary, SystemHealth } from "../../../../src/contracts/api/dashboard.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";

/** The figures, every 10 s at least. */
export function useSummary() {
  return useQuery({
    queryKey: queryKeys.summary,
    queryFn: async ({ signal }) => await apiRequest<DashboardSummary>("/dashboard/summary", { signal }),
    refetchInterval: 10_000,
  });
}

/** How each part does, every 10 s. */
export function useHealth() {
  return useQuery({
    queryKey: queryKeys.health,
    queryFn: async ({ signal }) => await apiRequest<SystemHealth>("/dashboard/system-health", { signal }),
    refetchInterval: 10_000,
  });
}
