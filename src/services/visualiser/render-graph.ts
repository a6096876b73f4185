import type { GraphEdge, GraphFormat } from "../../contracts/api/graphs.js";
import { renderMermaid } from "./render-mermaid.js";
import { renderSvg } from "./render-svg.js";

/** What the exports need of a graph; both kinds of graphs have it. */
export interface RenderedGraph {
  readonly nodes: readonly {
    readonly id: string;
    readonly type: string;
    readonly position: { readonly x: number; readonly y: number };
    readonly width: number;
    readonly height: number;
    readonly data: {
      readonly label: string;
      readonly uses?: unknown;
      readonly detail?: unknown;
      readonly status?: unknown;
    };
  }[];
  readonly edges: readonly GraphEdge[];
}

/** The looks of a box: by the state it is in, else by what it is. */
export interface Look {
  readonly fill: string;
  readonly line: string;
}

const LOOK_OF_STATUS: Readonly<Record<string, Look>> = {
  pending: { fill: "#f8fafc", line: "#94a3b8" },
  queued: { fill: "#f1f5f9", line: "#64748b" },
  running: { fill: "#dbeafe", line: "#2563eb" },
  waiting: { fill: "#fef3c7", line: "#b45309" },
  succeeded: { fill: "#dcfce7", line: "#15803d" },
  failed: { fill: "#fee2e2", line: "#b91c1c" },
  skipped: { fill: "#f1f5f9", line: "#cbd5e1" },
  canceled: { fill: "#ede9fe", line: "#6d28d9" },
};
const LOOK_OF_TYPE: Readonly<Record<string, Look>> = {
  mcp: { fill: "#eff6ff", line: "#3b82f6" },
  mcp_version: { fill: "#eff6ff", line: "#3b82f6" },
  workflow: { fill: "#f5f3ff", line: "#7c3aed" },
  workflow_definition: { fill: "#f5f3ff", line: "#7c3aed" },
  external_db_config: { fill: "#ecfdf5", line: "#059669" },
  secret: { fill: "#fff7ed", line: "#c2410c" },
};
const PLAIN: Look = { fill: "#f8fafc", line: "#64748b" };

/** How a node looks, in every export the same. */
export function lookOf(node: RenderedGraph["nodes"][number]): Look {
  const { status } = node.data;
  return (
    (typeof status === "string" ? LOOK_OF_STATUS[status] : undefined) ?? LOOK_OF_TYPE[node.type] ?? PLAIN
  );
}

/** The second line of a node. */
export function detailOf({ data }: RenderedGraph["nodes"][number]): string {
  const detail = [data.uses ?? data.detail, data.status].filter((part) => typeof part === "string" && part);
  return detail.join(" · ");
}

/** A graph as a text of another kind, and that kind's media type; undefined: it stays JSON. */
export function renderGraph(
  format: GraphFormat,
  graph: RenderedGraph,
  direction: "LR" | "TB",
  title: string,
): { readonly contentType: string; readonly text: string } | undefined {
  if (format === "svg")
    return { contentType: "image/svg+xml; charset=utf-8", text: renderSvg(graph, direction, title) };
  if (format === "mermaid")
    return { contentType: "text/plain; charset=utf-8", text: renderMermaid(graph, direction) };
  return undefined;
}
