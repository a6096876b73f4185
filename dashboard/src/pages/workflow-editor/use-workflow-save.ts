import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { ApiError, type Fault } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { showFault, showToast } from "../../components/toasts.js";
import type { Definition } from "./definition-model.js";
import { keepText } from "./kept-text.js";

/** What is to be saved. */
export interface Saving {
  /** Of a new workflow. */
  readonly name: string;
  readonly definition: Definition;
  readonly text: string;
  readonly isDraft: boolean;
}

/** Saves a workflow: the first time it is made, then each time a version of it. */
export function useWorkflowSave(existing: Workflow | undefined) {
  const client = useQueryClient();
  const [workflow, setWorkflow] = useState(existing);
  const [savedText, setSavedText] = useState<string>();
  const [faults, setFaults] = useState<readonly Fault[]>([]);
  const [isBusy, setBusy] = useState(false);

  async function send({ name, definition, isDraft }: Saving): Promise<Workflow> {
    const body = { definition, ...(isDraft ? { draft: true } : {}) };
    if (!workflow) {
      return await apiRequest<Workflow>("/workflow-definitions", { method: "POST", body: { name, ...body } });
    }
    const { id, revision } = workflow;
    return await apiRequest<Workflow>(`/workflow-definitions/${id}`, { method: "PATCH", body, revision });
  }

  /** Publishes the latest version, when there is nothing new to save. */
  async function publishLatest(current: Workflow): Promise<Workflow> {
    const path = `/workflow-definitions/${current.id}`;
    await apiRequest(`${path}/versions/${current.latestVersion}/publish`, { method: "POST" });
    return await apiRequest<Workflow>(path);
  }

  async function save(saving: Saving): Promise<Workflow | undefined> {
    if (isBusy) return undefined;
    setBusy(true);
    setFaults([]);
    try {
      let saved = await send(saving);
      if (!saving.isDraft && saved.publishedVersion !== saved.latestVersion)
        saved = await publishLatest(saved);
      setWorkflow(saved);
      setSavedText(saving.text);
      keepText(saved.id, saving.text);
      void client.invalidateQueries({ queryKey: queryKeys.allWorkflows, refetchType: "none" });
      showToast(
        saving.isDraft
          ? `Saved as a draft, version ${saved.latestVersion}`
          : `Version ${saved.latestVersion} is published`,
      );
      return saved;
    } catch (error) {
      const own = error instanceof ApiError ? error.faults : [];
      setFaults(
        own.map(({ path, message }) => ({ path: path.replace(/^\/definition(?=\/|$)/, ""), message })),
      );
      showFault(
        error instanceof ApiError && error.status === 412
          ? "Somebody else has saved this workflow meanwhile"
          : "Could not save",
        error,
      );
      return undefined;
    } finally {
      setBusy(false);
    }
  }
  return { workflow, savedText, faults, isBusy, save };
}
