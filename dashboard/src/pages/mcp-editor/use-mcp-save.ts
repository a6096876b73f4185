import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { ApiError } from "../../api/problem.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { type McpDraft, toDefinitionBody, toVersionBody } from "./mcp-draft.js";

/** Saves the first version with its component, later ones to it. */
export function useMcpSave(existing: McpDefinition | undefined, known: readonly string[]) {
  const client = useQueryClient();
  const [definition, setDefinition] = useState(existing);
  const [versions, setVersions] = useState(known);
  const [last, setLast] = useState<McpVersion>();
  const [fault, setFault] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);

  async function send(draft: McpDraft): Promise<McpVersion> {
    if (definition) {
      const body = toVersionBody(draft);
      return await apiRequest<McpVersion>(`/mcp-definitions/${definition.id}/versions`, {
        method: "POST",
        body,
      });
    }
    const created = await apiRequest<McpDefinition>("/mcp-definitions", {
      method: "POST",
      body: toDefinitionBody(draft),
    });
    setDefinition(created);
    const list = await apiRequest<{ readonly items: readonly McpVersion[] }>(
      `/mcp-definitions/${created.id}/versions`,
    );
    const version = list.items[0];
    if (!version) throw new Error("The component was saved, its version was not found.");
    return version;
  }

  async function run(draft: McpDraft): Promise<McpVersion | undefined> {
    if (isBusy) return undefined;
    setBusy(true);
    setFault(undefined);
    try {
      const version = await send(draft);
      setLast(version);
      setVersions((before) => [version.version, ...before]);
      void client.invalidateQueries({ queryKey: queryKeys.allMcps, refetchType: "none" });
      return version;
    } catch (error) {
      setFault(error);
      scrollTo({ top: 0, behavior: "smooth" });
      return undefined;
    } finally {
      setBusy(false);
    }
  }
  const faults = fault instanceof ApiError ? fault.faults : [];
  return { run, definition, versions, last, fault, faults, isBusy };
}
