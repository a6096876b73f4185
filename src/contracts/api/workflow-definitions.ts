import { z } from "zod";
import { PHASES } from "../../core/plan.js";
import { definitionNameSchema, workflowDefinitionDocumentSchema } from "../workflow-definition.js";
import { fieldFaultSchema, instantSchema, pageOf, pageQuerySchema, revisionSchema } from "./common.js";
import { definitionListShape, newDefinitionShape } from "./definition-fields.js";

const draftField = z
  .boolean()
  .optional()
  .meta({ description: "Keep the new version unpublished: runs do not take it by themselves." });

/** Body of `POST /workflow-definitions`. */
export const createWorkflowSchema = z.strictObject({
  ...newDefinitionShape,
  definition: workflowDefinitionDocumentSchema,
  draft: draftField,
});
export type CreateWorkflow = z.infer<typeof createWorkflowSchema>;

/** Body of `PATCH /workflow-definitions/{id}`. */
export const updateWorkflowSchema = z.strictObject({
  description: newDefinitionShape.description,
  tags: newDefinitionShape.tags,
  definition: workflowDefinitionDocumentSchema.optional(),
  draft: draftField,
});
export type UpdateWorkflow = z.infer<typeof updateWorkflowSchema>;

/** Body of `POST /workflow-definitions/validate`. */
export const validateWorkflowSchema = z.strictObject({ definition: workflowDefinitionDocumentSchema });

/** Query of `GET /workflow-definitions`. */
export const listWorkflowsSchema = z.strictObject(definitionListShape);
export type ListWorkflows = z.infer<typeof listWorkflowsSchema>;

/** Query of `GET …/versions`. */
export const listWorkflowVersionsSchema = pageQuerySchema;

/** `…/versions/{n}` */
export const workflowVersionParamsSchema = z.strictObject({
  id: z.string().meta({ description: "The id or the name." }),
  n: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/, "must be the number of a version")
    .transform(Number),
});

/** A workflow, as lists show it. */
export const workflowSummarySchema = z
  .object({
    id: z.string(),
    name: definitionNameSchema,
    description: z.string(),
    tags: z.array(z.string()),
    latestVersion: z.int(),
    publishedVersion: z.int().nullable().meta({ description: "What runs take unless they name another." }),
    isPaused: z.boolean().meta({ description: "New runs are held until the workflow is resumed." }),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "WorkflowSummary" });
export type WorkflowSummary = z.infer<typeof workflowSummarySchema>;

/** A workflow with the definition of its latest version. */
export const workflowSchema = workflowSummarySchema
  .extend({ definition: workflowDefinitionDocumentSchema })
  .meta({ id: "Workflow" });
export type Workflow = z.infer<typeof workflowSchema>;

/** One immutable version of a workflow. */
export const workflowVersionSchema = z
  .object({
    id: z.string(),
    workflowId: z.string(),
    name: definitionNameSchema,
    version: z.int(),
    isPublished: z.boolean().meta({ description: "Whether runs take this version now." }),
    publishedAt: instantSchema.nullable().meta({ description: "Null for a draft." }),
    definition: workflowDefinitionDocumentSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
  })
  .meta({ id: "WorkflowVersion" });
export type WorkflowVersion = z.infer<typeof workflowVersionSchema>;

/** Answer of `GET …/graph`, and part of a validation's. */
export const workflowGraphSchema = z
  .object({
    nodes: z.array(
      z.object({
        id: z.string(),
        type: z.enum(["mcp", "builtin", "workflow"]),
        data: z.object({
          label: z.string(),
          uses: z.string(),
          mcpType: z.string().optional(),
          when: z.string().optional(),
          runAfter: z.string(),
          phase: z.enum(PHASES).meta({ description: "Which of the definition's lists the step stands in." }),
        }),
      }),
    ),
    edges: z.array(z.object({ id: z.string(), source: z.string(), target: z.string() })),
  })
  .meta({ id: "WorkflowGraph" });

/** Answer of `POST /workflow-definitions/validate`; pointers are relative to the definition. */
export const workflowValidationSchema = z
  .object({
    valid: z.boolean(),
    errors: z.array(fieldFaultSchema),
    warnings: z.array(fieldFaultSchema),
    graph: workflowGraphSchema,
  })
  .meta({ id: "WorkflowValidation" });
export type WorkflowValidation = z.infer<typeof workflowValidationSchema>;

/** Answer of `GET /workflow-definitions`. */
export const workflowPageSchema = pageOf(workflowSummarySchema);

/** Answer of `GET …/versions`. */
export const workflowVersionPageSchema = pageOf(workflowVersionSchema);
