import { z } from "zod";
import { givenInstantSchema, instantSchema, pageOf, roleSchema } from "./common.js";

/** An API key, as the API shows it: never the key itself. */
export const apiKeySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string().meta({ description: "The key's first characters, to tell keys apart." }),
    role: roleSchema,
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
  expiresAt: givenInstantSchema.optional(),
});
export type CreateApiKey = z.infer<typeof createApiKeySchema>;

/** Answer of `GET /auth/api-keys`. */
export const apiKeyPageSchema = pageOf(apiKeySchema);
