import { z } from "zod";
import { definitionNameSchema, secretNameSchema } from "../workflow-definition.js";
import { instantSchema, pageOf, pageQuerySchema, revisionSchema } from "./common.js";
import { definitionListShape, newDefinitionShape } from "./definition-fields.js";

const jsonSchemaField = z.record(z.string(), z.unknown()).meta({ description: "JSON Schema 2020-12." });

/**
 * Body of `POST …/versions`. `config` is judged by the service, against the schema of the component's type;
 * `version` too, so that all faults come at once.
 */
export const createMcpVersionSchema = z.strictObject({
  version: z.string().max(256).meta({ description: "Semantic version.", example: "1.0.0" }),
  description: z.string().max(5000).optional(),
  config: z
    .unknown()
    .meta({ description: "Settings of the component; `type` equals the definition's `mcpType`." }),
  inputSchema: jsonSchemaField.optional(),
  outputSchema: jsonSchemaField.optional(),
  externalDbConfigs: z.array(z.string().min(1).max(200)).max(50).optional(),
  secrets: z.array(secretNameSchema).max(50).optional(),
});
export type CreateMcpVersion = z.infer<typeof createMcpVersionSchema>;

const rateLimitSchema = z
  .strictObject({ limit: z.int().min(1).max(1_000_000), seconds: z.int().min(1).max(86_400) })
  .meta({
    id: "McpRateLimit",
    description:
      "Steps that may start within so many seconds, over all workers and versions; the others wait.",
  });

/** Body of `POST /mcp-definitions`. `mcpType` is one of the types that the executors have. */
export const createMcpDefinitionSchema = z.strictObject({
  ...newDefinitionShape,
  mcpType: z.string().max(100).meta({ example: "python_script" }),
  rateLimit: rateLimitSchema.nullable().optional(),
  version: createMcpVersionSchema.optional().meta({ description: "The first version." }),
});
export type CreateMcpDefinition = z.infer<typeof createMcpDefinitionSchema>;

/** Body of `PATCH /mcp-definitions/{id}`. Name and type stay: workflows refer to them. */
export const updateMcpDefinitionSchema = z.strictObject({
  description: newDefinitionShape.description,
  tags: newDefinitionShape.tags,
  rateLimit: rateLimitSchema.nullable().optional(),
});
export type UpdateMcpDefinition = z.infer<typeof updateMcpDefinitionSchema>;

/** Query of `GET /mcp-definitions`. */
export const listMcpDefinitionsSchema = z.strictObject({
  ...definitionListShape,
  type: z.string().max(100).optional(),
});
export type ListMcpDefinitions = z.infer<typeof listMcpDefinitionsSchema>;

/** Query of `GET …/versions`. */
export const listMcpVersionsSchema = pageQuerySchema;

/** A component, as the API shows it. */
export const mcpDefinitionSchema = z
  .object({
    id: z.string(),
    name: definitionNameSchema,
    description: z.string(),
    tags: z.array(z.string()),
    mcpType: z.string(),
    rateLimit: rateLimitSchema.nullable(),
    latestVersion: z.object({ id: z.string(), version: z.string() }).nullable().meta({
      description: "The newest: highest release that is not deprecated. `mcp:NAME` means this one.",
    }),
    versionCount: z.int(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "McpDefinition" });
export type McpDefinition = z.infer<typeof mcpDefinitionSchema>;

/** A version of a component. It never changes, but for its deprecation. */
export const mcpVersionSchema = z
  .object({
    id: z.string(),
    mcpDefinitionId: z.string(),
    name: definitionNameSchema,
    mcpType: z.string(),
    version: z.string(),
    description: z.string(),
    config: z.record(z.string(), z.unknown()),
    inputSchema: jsonSchemaField.nullable(),
    outputSchema: jsonSchemaField.nullable(),
    externalDbConfigs: z.array(z.string()),
    secrets: z.array(z.string()),
    isDeprecated: z.boolean(),
    deprecatedAt: instantSchema.nullable(),
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
  })
  .meta({ id: "McpVersion" });
export type McpVersion = z.infer<typeof mcpVersionSchema>;

/** Answer of `GET /mcp-definitions`. */
export const mcpDefinitionPageSchema = pageOf(mcpDefinitionSchema);

/** Answer of `GET …/versions`: newest first, by time of making. */
export const mcpVersionPageSchema = pageOf(mcpVersionSchema);
