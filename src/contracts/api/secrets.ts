import { z } from "zod";
import { instantSchema, pageOf, revisionSchema } from "./common.js";

/** What a secret may be called: it reaches scripts as an environment variable of this name. */
export const SECRET_NAME_PATTERN = /^[A-Z_][A-Z0-9_]{0,62}$/;

/** Longest value, in UTF-8 bytes. */
export const MAX_SECRET_BYTES = 64 * 1024;

const hostSchema = z
  .string()
  .max(253)
  .regex(
    /^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?$/,
    "must be a host name in lower case",
  );

/** Body of `PUT /secrets/{name}`. */
export const putSecretSchema = z.strictObject({
  value: z
    .string()
    .min(1, "must not be empty")
    .regex(/^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/, "must be text"),
  description: z.string().max(1000).optional(),
  hosts: z
    .array(hostSchema)
    .min(1)
    .max(50)
    .optional()
    .meta({ description: "With it, outgoing calls send the secret to these hosts alone." }),
});
export type PutSecret = z.infer<typeof putSecretSchema>;

/** A secret, as the API shows it: never its value. */
export const secretSchema = z
  .object({
    name: z.string(),
    description: z.string().nullable(),
    hosts: z.array(z.string()).nullable(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "Secret" });
export type Secret = z.infer<typeof secretSchema>;

/** Answer of `GET /secrets`. */
export const secretPageSchema = pageOf(secretSchema);
