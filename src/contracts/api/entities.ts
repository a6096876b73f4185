import { z } from "zod";
import { givenInstantSchema, idSchema, instantSchema, pageOf, pageQuerySchema } from "./common.js";

/** What has an address under `/entities`. */
export const ENTITY_TYPES = [
  "mcp_definition",
  "mcp_version",
  "workflow_definition",
  "workflow_run",
  "step_run",
  "external_db_config",
  "schedule",
  "user",
] as const;
export type EntityType = (typeof ENTITY_TYPES)[number];

const entityTypeSchema = z.enum(ENTITY_TYPES).meta({ id: "EntityType" });

/** `/entities/{entityType}` */
export const entityTypeParamsSchema = z.strictObject({ entityType: entityTypeSchema });
/** `/entities/{entityType}/{id}` */
export const entityParamsSchema = z.strictObject({ entityType: entityTypeSchema, id: idSchema });

/** Query of `GET /entities/{entityType}`. */
export const entityListQuerySchema = z.strictObject({
  ...pageQuerySchema.shape,
  q: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "Part of the name; not for runs and their steps." }),
  createdBy: idSchema
    .optional()
    .meta({ description: "Id of who made it; not for runs, their steps and users." }),
  createdAfter: givenInstantSchema.optional(),
  createdBefore: givenInstantSchema.optional(),
  runId: idSchema.optional().meta({ description: "Of step runs, and needed for them: the run they are of." }),
});
export type EntityListQuery = z.infer<typeof entityListQuerySchema>;

/** Something that one can look at, in one shape for all types. */
export const entitySchema = z
  .object({
    entityType: entityTypeSchema,
    id: z.string(),
    name: z.string(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
    createdBy: z.string().nullable().meta({ description: "Id of a user; null for Headrace itself." }),
    links: z
      .array(z.object({ rel: z.string(), href: z.string(), title: z.string().optional() }))
      .meta({ description: "`self` is the thing's own resource, where it has one." }),
    details: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "Entity" });
export type Entity = z.infer<typeof entitySchema>;

/** Answer of `GET /entities/{entityType}`: newest first. */
export const entityPageSchema = pageOf(entitySchema);
