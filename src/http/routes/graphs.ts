import { idParamsSchema } from "../../contracts/api/common.js";
import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import {
  type GraphDirection,
  type GraphFormat,
  impactQuerySchema,
  impactSchema,
  laidOutWorkflowSchema,
  lineageQuerySchema,
  lineageSchema,
  proposedSchemasSchema,
  workflowGraphQuerySchema,
} from "../../contracts/api/graphs.js";
import { assertCan } from "../../services/access/assert-can.js";
import type { DependencyVisualizer } from "../../services/visualiser/dependency-visualizer.js";
import { renderGraph, type RenderedGraph } from "../../services/visualiser/render-graph.js";
import { defineRoute, type RouteDefinition, type RouteResponse } from "../route.js";

const READ = { method: "get", permission: "definition:read", tag: "Graphs" } as const;
const MCP = "/api/v1/graphs/mcp-versions/:id";
const MEDIA = "; `format=svg` an `image/svg+xml`, `format=mermaid` a text";

/** `/api/v1/graphs`: dependency graphs laid out, lineages, and what a change would break. */
export function graphRoutes({
  visualizer,
}: {
  readonly visualizer: DependencyVisualizer;
}): RouteDefinition[] {
  return [
    defineRoute({
      ...READ,
      path: "/api/v1/graphs/workflows/:id",
      summary: "The steps of a workflow as a graph with places, ready for React Flow",
      params: nameOrIdParamsSchema,
      query: workflowGraphQuerySchema,
      answers: {
        200: { description: `Nodes and edges${MEDIA}.`, schema: laidOutWorkflowSchema },
        404: { description: "No such workflow or version, or no such run of it." },
      },
      async handler({ params, query, actor }) {
        if (query.run !== undefined) assertCan(actor, "run:read");
        const graph = await visualizer.drawWorkflow(params.id, query);
        const { name, version } = graph.workflow;
        return answerAs(query, graph, `${name}, version ${version}`);
      },
    }),
    defineRoute({
      ...READ,
      path: `${MCP}/lineage`,
      summary: "What a version of a component comes from, uses and is used by, as a graph with places",
      params: idParamsSchema,
      query: lineageQuerySchema,
      answers: {
        200: { description: `Nodes and edges${MEDIA}.`, schema: lineageSchema },
        404: { description: "No such version, or no such run that uses it." },
      },
      async handler({ params, query, actor }) {
        if (query.run !== undefined) assertCan(actor, "run:read");
        const graph = await visualizer.drawLineage(params.id, query);
        const { name, version } = graph.mcpVersion;
        return answerAs(query, graph, `Lineage of ${name}@${version}`);
      },
    }),
    ...impactRoutes(visualizer),
  ];
}

function impactRoutes(visualizer: DependencyVisualizer): RouteDefinition[] {
  const answers = {
    200: { description: "The differences, and each edge that they would break.", schema: impactSchema },
    404: { description: "No such version." },
  };
  return [
    defineRoute({
      ...READ,
      path: `${MCP}/impact`,
      summary: "What would break if another version took this one's place",
      params: idParamsSchema,
      query: impactQuerySchema,
      answers: { ...answers, 422: { description: "`against` is no version of the same component." } },
      handler: async ({ params, query }) => ({
        status: 200,
        body: await visualizer.judgeVersion(params.id, query.against),
      }),
    }),
    defineRoute({
      method: "post",
      permission: "definition:validate",
      tag: "Graphs",
      path: `${MCP}/impact`,
      summary: "What would break if a version had other schemas; nothing is stored",
      params: idParamsSchema,
      body: proposedSchemasSchema,
      answers,
      handler: async ({ params, body }) => ({
        status: 200,
        body: await visualizer.judgeSchemas(params.id, body),
      }),
    }),
  ];
}

function answerAs(
  { format, direction }: { readonly format: GraphFormat; readonly direction: GraphDirection },
  graph: RenderedGraph,
  title: string,
): RouteResponse {
  const rendered = renderGraph(format, graph, direction, title);
  if (!rendered) return { status: 200, body: graph };
  return { status: 200, headers: { "Content-Type": rendered.contentType }, body: rendered.text };
}
