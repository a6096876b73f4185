import { z } from "zod";
import { definitionNameSchema } from "../workflow-definition.js";
import { pageQuerySchema } from "./common.js";

/** `…/{id}` where a definition's name will do as well as its id. */
export const nameOrIdParamsSchema = z.strictObject({
  id: z.string().meta({ description: "The id or the name." }),
});

/** What both kinds of definitions can be told when they are made. */
export const newDefinitionShape = {
  name: definitionNameSchema,
  description: z.string().max(5000).optional(),
  tags: z
    .array(z.string().trim().min(1).max(50))
    .max(20)
    .optional()
    .meta({ description: "Words to find it by." }),
};

/** What both lists of definitions can be narrowed by. */
export const definitionListShape = {
  ...pageQuerySchema.shape,
  tag: z.string().min(1).max(50).optional(),
  q: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: "Full-text search over name and description; the last word may be a beginning." }),
};
