import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { showFault, showToast } from "../components/toasts.js";
import { findFault } from "./problem.js";

/** How a change is told of. */
export interface ChangeWords {
  /** Said when it has been done. */
  readonly done?: string;
  /** Said when it could not be: `Could not pause`. Without it the fault is the caller's to show. */
  readonly failed?: string;
  /** What was read before and holds no longer. */
  readonly stale?: readonly (readonly unknown[])[];
}

/** Does changes one after another, and says how they went; `faultOf` a member of the body, by its JSON Pointer. */
export function useChange() {
  const client = useQueryClient();
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<unknown>();
  /** @returns what the change answered; undefined when it failed */
  async function change<Answer>(act: () => Promise<Answer>, words: ChangeWords): Promise<Answer | undefined> {
    if (isBusy) return undefined;
    setBusy(true);
    setFault(undefined);
    try {
      const answer = await act();
      await Promise.all((words.stale ?? []).map((queryKey) => client.invalidateQueries({ queryKey })));
      if (words.done) showToast(words.done);
      return answer;
    } catch (error) {
      setFault(error);
      if (words.failed) showFault(words.failed, error);
      return undefined;
    } finally {
      setBusy(false);
    }
  }
  const faultOf = (path: string) => findFault(fault, path);
  return { change, isBusy, fault, faultOf, clearFault: () => setFault(undefined) };
}
