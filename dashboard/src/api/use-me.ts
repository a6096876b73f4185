import { useQuery } from "@tanstack/react-query";
import type { Permission } from "../../../src/core/permissions.js";
import { queryKeys } from "./query-keys.js";
import { apiRequest } from "./request.js";
import type { Me } from "./shapes.js";

/** Who is signed in; undefined until it is known. */
export function useMe(): Me | undefined {
  return useQuery({
    queryKey: queryKeys.me,
    queryFn: async ({ signal }) => await apiRequest<Me>("/auth/me", { signal }),
    staleTime: 60_000,
  }).data;
}

/** Whether the person may do something, and if not, why, in words for them. */
export interface Allowance {
  readonly isAllowed: boolean;
  /** Given when it is not allowed: for a button's `blockedBecause`. */
  readonly reason: string | undefined;
}

/** Whether the person who is signed in has a permission. The server judges by itself; this keeps dead buttons away. */
export function useMay(permission: Permission): Allowance {
  const me = useMe();
  if (me === undefined || me.permissions.includes(permission)) return { isAllowed: true, reason: undefined };
  return { isAllowed: false, reason: `Your role, ${me.role}, does not allow this (${permission}).` };
}
