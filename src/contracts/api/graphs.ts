import { z } from "zod";
import { PHASES } from "../../core/plan.js";
import { STEP_STATUSES } from "../../core/statuses.js";
import { idSchema, instantSchema } from "./common.js";
import { runErrorSchema } from "./runs.js";

/** How a graph is answered: for a program, for a page, for a text. */
export const GRAPH_FORMATS = ["json", "svg", "mermaid"] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

/** `LR` grows to the right, `TB` downwards. */
export const GRAPH_DIRECTIONS = ["LR", "TB"] as const;
export type GraphDirection = (typeof GRAPH_DIRECTIONS)[number];

const lookShape = {
  format: z.enum(GRAPH_FORMATS).default("json"),
  direction: z.enum(GRAPH_DIRECTIONS).default("LR"),
};

/** Query of `GET /graphs/workflows/{id}`. */
export const workflowGraphQuerySchema = z.strictObject({
  ...lookShape,
  version: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/, "must be the number of a version")
    .transform(Number)
    .optional()
    .meta({ description: "Default: the published version, else the latest." }),
  run: idSchema.optional().meta({
    description: "A run of this workflow: its version is drawn, with the state of each step.",
  }),
});
export type WorkflowGraphQuery = z.infer<typeof workflowGraphQuerySchema>;

/** Query of `GET /graphs/mcp-versions/{id}/lineage`. */
export const lineageQuerySchema = z.strictObject({
  ...lookShape,
  run: idSchema.optional().meta({ description: "A run: the workflow that it belongs to carries its state." }),
});
export type LineageQuery = z.infer<typeof lineageQuerySchema>;

const positionSchema = z.object({ x: z.number(), y: z.number() });
const placedShape = {
  id: z.string(),
  position: positionSchema.meta({ description: "The upper left corner; the same in every answer." }),
  width: z.number(),
  height: z.number(),
  sourcePosition: z.enum(["right", "bottom"]),
  targetPosition: z.enum(["left", "top"]),
};

/** One edge, ready for React Flow. */
export const graphEdgeSchema = z
  .object({
    id: z.string(),
    source: z.string(),
    target: z.string(),
    label: z.string().meta({ description: "What goes along it; empty for a mere order." }),
    data: z.object({
      kind: z.string().meta({ description: "`data`, `order`, `read`; in a lineage how the two relate." }),
      changes: z
        .array(z.string())
        .optional()
        .meta({ description: "Between two versions: what has changed." }),
      severity: z
        .enum(["none", "description", "compatible", "breaking"])
        .optional()
        .meta({ description: "Between two versions: what the changes mean to callers." }),
    }),
  })
  .meta({ id: "GraphEdge" });
export type GraphEdge = z.infer<typeof graphEdgeSchema>;

/** What a thing is called in `/entities/{entityType}/{id}`. */
const entityShape = { entityType: z.string().optional(), entityId: z.string().optional() };

/** One step, placed. */
export const stepNodeSchema = z
  .object({
    ...placedShape,
    type: z.enum(["mcp", "builtin", "workflow"]),
    data: z.object({
      label: z.string(),
      uses: z.string(),
      phase: z.enum(PHASES),
      runAfter: z.string(),
      mcpType: z.string().optional(),
      when: z.string().optional(),
      isForEach: z.boolean().optional(),
      ...entityShape,
      status: z.enum(STEP_STATUSES).optional().meta({ description: "With `run`." }),
      attempt: z.int().nullable().optional(),
      startedAt: instantSchema.nullable().optional(),
      finishedAt: instantSchema.nullable().optional(),
      durationMs: z.int().nullable().optional(),
      error: runErrorSchema.nullable().optional(),
      items: z.object({ total: z.int(), ended: z.int(), failed: z.int() }).optional(),
    }),
  })
  .meta({ id: "StepNode" });
export type StepNode = z.infer<typeof stepNodeSchema>;

/** Answer of `GET /graphs/workflows/{id}`. */
export const laidOutWorkflowSchema = z
  .object({
    workflow: z.object({ id: z.string(), name: z.string(), version: z.int() }),
    nodes: z.array(stepNodeSchema),
    edges: z.array(graphEdgeSchema),
  })
  .meta({ id: "LaidOutWorkflowGraph" });
export type LaidOutWorkflow = z.infer<typeof laidOutWorkflowSchema>;

/** The kinds of things in a lineage. */
export const LINEAGE_TYPES = [
  "mcp_version",
  "workflow_definition",
  "schedule",
  "webhook",
  "external_db_config",
  "secret",
  "llm_provider",
  "tool",
  "workflow_run",
] as const;
export type LineageType = (typeof LINEAGE_TYPES)[number];

/** One thing in a lineage, placed. */
export const lineageNodeSchema = z
  .object({
    ...placedShape,
    type: z.enum(LINEAGE_TYPES),
    data: z
      .object({ label: z.string(), detail: z.string(), ...entityShape })
      .loose()
      .meta({ description: "Beside these, what is known of a thing of its type." }),
  })
  .meta({ id: "LineageNode" });
export type LineageNode = z.infer<typeof lineageNodeSchema>;

/** Answer of `GET /graphs/mcp-versions/{id}/lineage`. */
export const lineageSchema = z
  .object({
    mcpVersion: z.object({ id: z.string(), name: z.string(), version: z.string() }),
    nodes: z.array(lineageNodeSchema),
    edges: z.array(graphEdgeSchema),
    omitted: z
      .array(z.string())
      .meta({ description: "What there is more of than is drawn, in words; mostly empty." }),
  })
  .meta({ id: "Lineage" });
export type Lineage = z.infer<typeof lineageSchema>;

/** Query of `GET /graphs/mcp-versions/{id}/impact`. */
export const impactQuerySchema = z.strictObject({
  against: idSchema.optional().meta({
    description: "The version that would take its place. Default: the newest of the same component.",
  }),
});

const schemaField = z.record(z.string(), z.unknown()).nullable().optional();

/** Body of `POST /graphs/mcp-versions/{id}/impact`: what a version that is not stored yet would have. */
export const proposedSchemasSchema = z.strictObject({
  inputSchema: schemaField.meta({ description: "Absent: as it is. Null: none." }),
  outputSchema: schemaField.meta({ description: "Absent: as it is. Null: none." }),
});
export type ProposedSchemas = z.infer<typeof proposedSchemasSchema>;

const sidesSchema = z.object({
  id: z.string().nullable().meta({ description: "Null for schemas that are only proposed." }),
  name: z.string(),
  version: z.string().nullable(),
});

/** Something that would no longer hold. */
export const impactBreakSchema = z
  .object({
    edgeId: z.string().nullable().meta({
      description:
        "The edge of the workflow's graph that would break; null for an input that comes from no step.",
    }),
    source: z.string().nullable(),
    target: z.string().nullable().meta({ description: "A step; null for an output of the workflow." }),
    path: z.string().meta({ description: "JSON Pointer into the workflow's definition." }),
    schemaPath: z.string().meta({ description: "JSON Pointer into the version's schemas." }),
    message: z.string(),
  })
  .meta({ id: "ImpactBreak" });
export type ImpactBreak = z.infer<typeof impactBreakSchema>;

/** Answer of the impact calls. */
export const impactSchema = z
  .object({
    from: sidesSchema,
    to: sidesSchema,
    severity: z.enum(["none", "description", "compatible", "breaking"]),
    changes: z.array(
      z.object({
        kind: z.enum(["description", "compatible", "breaking"]),
        path: z.string(),
        message: z.string(),
      }),
    ),
    breakCount: z.int(),
    workflows: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        version: z.int(),
        isPublished: z.boolean(),
        steps: z.array(z.string()),
        breaks: z.array(impactBreakSchema),
      }),
    ),
    prompts: z
      .array(z.object({ id: z.string(), name: z.string(), version: z.string(), message: z.string() }))
      .meta({ description: "Prompts that offer the version to a model as a tool." }),
    omitted: z.array(z.string()),
  })
  .meta({ id: "Impact" });
export type Impact = z.infer<typeof impactSchema>;
