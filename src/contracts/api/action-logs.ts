import { z } from "zod";
import { givenInstantSchema, instantSchema, pageOf, pageQuerySchema } from "./common.js";

/** Query of `GET /action-logs`. */
export const actionLogQuerySchema = z
  .strictObject({
    ...pageQuerySchema.shape,
    actor: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .meta({ description: "A person's id, or the recorded name." }),
    action: z
      .string()
      .regex(/^[a-z-]+\.(?:[a-z-]+|\*)$/, "must be noun.verb or noun.*")
      .optional(),
    entityType: z.string().min(1).max(100).optional(),
    entityId: z.string().min(1).max(300).optional(),
    from: givenInstantSchema.optional(),
    to: givenInstantSchema.optional(),
    format: z.enum(["json", "csv", "ndjson"]).default("json"),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ["from"],
    error: "must not be after to",
  });

/** One entry of the audit log. */
export const actionLogSchema = z
  .object({
    seq: z.int(),
    id: z.string(),
    at: instantSchema,
    actor: z.object({ type: z.string(), id: z.string().nullable(), name: z.string() }),
    action: z.string(),
    outcome: z.enum(["succeeded", "denied", "failed"]),
    entityType: z.string().nullable(),
    entityId: z.string().nullable(),
    requestId: z.string().nullable(),
    address: z.string().nullable(),
    before: z.json(),
    after: z.json(),
    previousHash: z.string(),
    hash: z.string(),
  })
  .meta({ id: "ActionLog" });
export type ActionLog = z.infer<typeof actionLogSchema>;

/** Answer of `GET /action-logs`. */
export const actionLogPageSchema = pageOf(actionLogSchema);

/** Query of `GET /action-logs/verify`: an entry's number and hash, as somebody has kept them elsewhere. */
export const verifyQuerySchema = z
  .strictObject({
    seq: z.coerce.number().int().min(1).optional(),
    hash: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, "must be 64 hexadecimal digits")
      .optional(),
  })
  .refine(({ seq, hash }) => (seq === undefined) === (hash === undefined), {
    path: ["hash"],
    error: "seq and hash come together",
  });

/** Answer of `GET /action-logs/verify`. */
export const chainVerdictSchema = z
  .object({
    valid: z.boolean(),
    checkedCount: z.int(),
    firstBadSeq: z.int().nullable(),
    reason: z.string().nullable(),
    head: z.object({ seq: z.int(), hash: z.string() }).nullable(),
    prunedThrough: z
      .int()
      .nullable()
      .meta({ description: "The last entry that retention removed; the chain begins after it." }),
    checkpoints: z.object({
      checked: z.int(),
      unknownKey: z.int().meta({ description: "Checkpoints whose signing key is not at hand any more." }),
    }),
  })
  .meta({ id: "ChainVerdict" });
