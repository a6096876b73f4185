import { useQueries, useQuery } from "@tanstack/react-query";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import type { Secret } from "../../../../src/contracts/api/secrets.js";
import type { WorkflowSummary } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import type { Schema } from "../mcp-editor/mcp-draft.js";
import { BUILTINS } from "./step-look.js";

/** What is known of what a step uses. */
export interface Used {
  readonly mcpType: string | undefined;
  readonly inputSchema: Schema | undefined;
  readonly outputSchema: Schema | undefined;
  /** For components: every version, newest first. */
  readonly versions: readonly string[];
}

/** What steps can be made of. */
export interface Catalog {
  readonly components: readonly McpDefinition[];
  readonly workflows: readonly WorkflowSummary[];
  readonly secrets: readonly string[];
  /** Of what is used in the definition. */
  usedBy(uses: string): Used;
}

const NOTHING: Used = { mcpType: undefined, inputSchema: undefined, outputSchema: undefined, versions: [] };
const MCP = /^mcp:([^@]+)(?:@(.+))?$/;

/** Reads it; the versions of what `uses` names come with their schemas. */
export function useCatalog(uses: readonly string[]): Catalog {
  const all = { limit: 200 };
  const components = useQuery({
    queryKey: queryKeys.mcps({ catalog: true }),
    queryFn: async ({ signal }) =>
      await apiRequest<Page<McpDefinition>>("/mcp-definitions", { query: all, signal }),
  });
  const workflows = useQuery({
    queryKey: queryKeys.workflows({ catalog: true }),
    queryFn: async ({ signal }) =>
      await apiRequest<Page<WorkflowSummary>>("/workflow-definitions", { query: all, signal }),
  });
  const secrets = useQuery({
    queryKey: [...queryKeys.secrets, "names"],
    queryFn: async ({ signal }) => await apiRequest<Page<Secret>>("/secrets", { query: all, signal }),
  });
  const names = [...new Set(uses.flatMap((each) => MCP.exec(each)?.[1] ?? []))].sort();
  const versions = useQueries({
    queries: names.map((name) => ({
      queryKey: [...queryKeys.mcpVersions(name), "catalog"],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        await apiRequest<Page<McpVersion>>(`/mcp-definitions/${encodeURIComponent(name)}/versions`, {
          query: all,
          signal,
        }),
      staleTime: 60_000,
      retry: false,
    })),
  });
  const known = components.data?.items ?? [];
  return {
    components: known,
    workflows: workflows.data?.items ?? [],
    secrets: secrets.data?.items.map(({ name }) => name) ?? [],
    usedBy(each) {
      const builtin = BUILTINS.find(({ name }) => `builtin:${name}` === each);
      if (builtin) return { ...NOTHING, inputSchema: builtin.inputSchema };
      const [, name = "", wanted] = MCP.exec(each) ?? [];
      const held = versions[names.indexOf(name)]?.data?.items ?? [];
      const definition = known.find((component) => component.name === name);
      const newest = wanted ?? definition?.latestVersion?.version;
      const version = held.find((one) => one.version === newest);
      return {
        mcpType: version?.mcpType ?? definition?.mcpType,
        inputSchema: version?.inputSchema ?? undefined,
        outputSchema: version?.outputSchema ?? undefined,
        versions: held.map((one) => one.version),
      };
    },
  };
}
