import { useQuery } from "@tanstack/react-query";
import type { WorkflowValidation } from "../../../../src/contracts/api/workflow-definitions.js";
import type { Fault } from "../../api/problem.js";
import { apiRequest } from "../../api/request.js";
import { useSettled } from "../../api/use-list.js";
import type { Definition } from "./definition-model.js";

/** What the server says about a definition; nothing while it has not been asked about this one. */
export interface Validation {
  readonly errors: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly isChecking: boolean;
}

/** Has a definition judged whenever it has rested for a moment. Nothing is stored by it. */
export function useValidation(definition: Definition | undefined): Validation {
  const settled = useSettled(definition, 350);
  const { data, isFetching } = useQuery({
    queryKey: ["validate", settled],
    queryFn: async ({ signal }) =>
      await apiRequest<WorkflowValidation>("/workflow-definitions/validate", {
        method: "POST",
        body: { definition: settled },
        signal,
      }),
    enabled: settled !== undefined,
    placeholderData: (before) => before,
    staleTime: 30_000,
    gcTime: 30_000,
    retry: false,
  });
  return {
    errors: data?.errors ?? [],
    warnings: data?.warnings ?? [],
    isChecking: isFetching || settled !== definition,
  };
}
