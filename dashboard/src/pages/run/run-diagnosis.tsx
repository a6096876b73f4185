import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import type { CopilotAnswer, PatchTarget, Suggestion } from "../../../../src/contracts/api/copilot.js";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import type { Run } from "../../../../src/contracts/api/runs.js";
import type { WorkflowVersion } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { mcpPath, workflowPath } from "../../app/page-paths.js";
import { applyPatch } from "../../components/copilot/apply-patch.js";
import { CopilotPanel, type SuggestedChange } from "../../components/copilot/copilot-panel.js";
import { handOver } from "../../components/copilot/hand-over.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { writeText } from "../workflow-editor/yaml-document.js";
import styles from "./run-page.module.css";

/**
 * Why a run has failed, with what speaks for it and what would mend it. A change is shown as a difference; applying it
 * opens the editor with it, where it can be undone and is saved as a version of its own.
 */
export function RunDiagnosis({ run }: { readonly run: Run }) {
  const [, navigate] = useLocation();
  const may = useMay("copilot:use");
  const { data: known, error, isLoading, refetch } = useAnalysis(run.id, may.isAllowed);
  const [further, setFurther] = useState<CopilotAnswer>();
  const { suggestions = [] } = further ?? known ?? {};
  const documents = useDocuments(suggestions.flatMap(({ target }) => target ?? []));
  return (
    <div className={styles["data"]}>
      {isLoading && <Skeleton lines={4} />}
      {error && <ErrorPanel error={error} onRetry={() => void refetch()} />}
      <CopilotPanel
        calls={[{ label: "Ask a model, too", path: "/copilot/diagnose", body: () => ({ runId: run.id }) }]}
        applyLabel="Open in the editor with this change"
        known={known}
        onAnswer={setFurther}
        preview={(suggestion) => changeOf(suggestion, documents)}
        apply={(suggestion) => {
          const path = editorOf(suggestion.target);
          if (path === undefined) return;
          handOver(suggestion);
          navigate(path);
        }}
      />
    </div>
  );
}

/** What can be found without a model: it costs nothing, so nobody has to ask for it. */
function useAnalysis(runId: string, isAllowed: boolean) {
  return useQuery({
    queryKey: queryKeys.diagnosis(runId),
    queryFn: async ({ signal }) =>
      await apiRequest<CopilotAnswer>("/copilot/diagnose", {
        method: "POST",
        body: { runId, useModel: false },
        signal,
      }),
    staleTime: Number.POSITIVE_INFINITY,
    enabled: isAllowed,
  });
}

/** What patches change, by {@link pathOf}. */
type Documents = ReadonlyMap<string, unknown>;

function useDocuments(targets: readonly PatchTarget[]): Documents {
  const paths = [...new Set(targets.flatMap((target) => pathOf(target) ?? []))];
  const found = useQueries({
    queries: paths.map((path) => ({
      queryKey: ["copilot", "document", path],
      queryFn: async ({ signal }: { readonly signal: AbortSignal }) => {
        const version = await apiRequest<McpVersion | WorkflowVersion>(path, { signal });
        return "config" in version ? version.config : version.definition;
      },
      staleTime: Number.POSITIVE_INFINITY,
    })),
  });
  return new Map(paths.map((path, index) => [path, found[index]?.data]));
}

/** Where the API has the document that is meant. */
function pathOf(target: PatchTarget): string | undefined {
  if (target.kind === "config" && target.mcpVersionId !== null) return `/mcp-versions/${target.mcpVersionId}`;
  if (target.kind !== "definition" || target.workflow === null || target.version === null) return undefined;
  return `/workflow-definitions/${encodeURIComponent(target.workflow)}/versions/${target.version}`;
}

function editorOf(target: PatchTarget | undefined): string | undefined {
  if (target?.kind === "definition" && target.workflow !== null)
    return `${workflowPath(target.workflow)}/edit?version=${target.version ?? ""}`;
  if (target?.kind !== "config" || target.mcp === null) return undefined;
  const at = target.mcp.lastIndexOf("@");
  const from = encodeURIComponent(target.mcp.slice(at + 1));
  return `${mcpPath(target.mcp.slice(0, at))}/edit?from=${from}`;
}

function changeOf({ target, patch }: Suggestion, documents: Documents): SuggestedChange | undefined {
  const before = target && documents.get(pathOf(target) ?? "");
  if (!patch || before === undefined) return undefined;
  try {
    const after = applyPatch(before, patch);
    if (target?.kind === "definition")
      return { before: writeText(before as object), after: writeText(after as object), language: "yaml" };
    const write = (value: unknown) => JSON.stringify(value, null, 2).replaceAll("\\n", "\n");
    return { before: write(before), after: write(after), language: "json" };
  } catch {
    return undefined;
  }
}
