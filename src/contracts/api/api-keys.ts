import { z } from "zod";
import { PERMISSIONS } from "../../core/permissions.js";
import { givenInstantSchema, instantSchema, pageOf, roleSchema } from "./common.js";

/** An API key, as the API shows it: never the key itself. */
export const apiKeySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().meta({ description: "The key's first characters, to tell keys apart." }),
    role: roleSchema,
    scopes: z
      .array(z.string())
      .nullable()
      .meta({ description: "What it may do of what its role may; null: all of it." }),
    userId: z.string(),
    expiresAt: instantSchema.nullable(),
    lastUsedAt: instantSchema.nullable(),
    revokedAt: instantSchema.nullable(),
    createdAt: instantSchema,
  })
  .meta({ id: "ApiKey" });
export type ApiKey = z.infer<typeof apiKeySchema>;

/** Answer of `POST /auth/api-keys`: the only time the key is shown. */
export const createdApiKeySchema = apiKeySchema.extend({ key: z.string() }).meta({ id: "CreatedApiKey" });
export type CreatedApiKey = z.infer<typeof createdApiKeySchema>;

/** Body of `POST /auth/api-keys`. */
export const createApiKeySchema = z.strictObject({
  name: z.string().trim().min(1).max(100),
  role: roleSchema.optional().meta({ description: "Default, and at most: your own." }),
  scopes: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .max(PERMISSIONS.length)
    .transform((scopes) => [...new Set(scopes)].sort())
    .optional()
    .meta({ description: "Permissions that the key is narrowed to, out of those of its role." }),
  expiresAt: givenInstantSchema.optional(),
});
export type CreateApiKey = z.infer<typeof createApiKeySchema>;

/** Answer of `GET /auth/api-keys`. */
export const apiKeyPageSchema = pageOf(apiKeySchema);
