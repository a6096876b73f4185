import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { apiRequest } from "../api/request.js";
import type { Question } from "./confirm.js";
import { showToast } from "./toasts.js";

/** What is to go. */
export interface Deletion {
  /** Of the API, without its base. */
  readonly path: string;
  /** As people know it. */
  readonly name: string;
  /** What follows from it. */
  readonly text: string;
  /** Default: `Delete`. */
  readonly verb?: "Delete" | "Revoke";
}

const DONE = { Delete: "deleted", Revoke: "revoked" } as const;

/** The question before something is deleted, and the deletion; what was read under the `stale` keys is read again. */
export function useDeletion(...stale: readonly QueryKey[]): (deletion: Deletion) => Question {
  const client = useQueryClient();
  return ({ path, name, text, verb = "Delete" }) => ({
    ...{ title: `${verb} ${name}?`, text, verb, isDangerous: true },
    async act() {
      await apiRequest(path, { method: "DELETE" });
      await Promise.all(stale.map((queryKey) => client.invalidateQueries({ queryKey })));
      showToast(`${name} is ${DONE[verb]}`);
    },
  });
}
