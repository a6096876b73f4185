/** A node of a laid-out graph, as `/graphs` answers it. */
export interface LineageNode {
  readonly id: string;
  readonly type: string;
  readonly position: { readonly x: number; readonly y: number };
  readonly width?: number;
  readonly height?: number;
  readonly data: {
    readonly label: string;
    readonly detail?: string;
    readonly entityType?: string;
    readonly entityId?: string;
  };
}

/** The lineage of a version: what it comes from, what it uses, what uses it. */
export interface Lineage {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly {
    readonly id: string;
    readonly source: string;
    readonly target: string;
    readonly label?: string;
    readonly data?: { readonly kind?: string; readonly severity?: string };
  }[];
  readonly omitted?: readonly string[];
}

/** How the types of a lineage are called. */
export const LINEAGE_WORDS: Readonly<Record<string, string>> = {
  mcp_version: "Version",
  workflow_definition: "Workflow",
  schedule: "Schedule",
  webhook: "Webhook",
  external_db_config: "Database",
  secret: "Secret",
  llm_provider: "Provider",
  tool: "Tool",
  workflow_run: "Run",
};
