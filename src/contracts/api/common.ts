import { z } from "zod";
import { isUuid } from "../../core/ids.js";
import { ROLES } from "../../core/permissions.js";

/** A UUID in a path: anything else names nothing (404). */
export const idSchema = z.string().refine(isUuid, "must be a UUID").meta({ format: "uuid" });

/** `…/{id}` */
export const idParamsSchema = z.strictObject({ id: idSchema });

/** A moment in answers: ISO 8601, UTC, milliseconds. */
export const instantSchema = z.string().meta({ format: "date-time", example: "2026-11-22T10:00:00.000Z" });

/** A moment in requests: an ISO 8601 date, or date and time with a zone; becomes UTC. */
export const givenInstantSchema = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], "must be an ISO 8601 date or date-time")
  .transform((text) => new Date(text).toISOString());

/** `limit` and `cursor` of every list; spread its `shape` into the query of a list with filters. */
export const pageQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^(?:[1-9][0-9]?|1[0-9]{2}|200)$/, "must be a whole number from 1 to 200")
    .transform(Number)
    .default(50)
    .meta({ description: "Most items in the answer, 1–200.", example: "50" }),
  cursor: z.string().min(1).max(512).optional().meta({ description: "`nextCursor` of the page before." }),
});

/** One page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() });
}

/** Counts changes of a resource; sent back as `If-Match: "<revision>"`. */
export const revisionSchema = z.int().positive();

/** A role of a person or an API key. */
export const roleSchema = z.enum(ROLES).meta({ id: "Role" });

/** One fault in a request. */
export const fieldFaultSchema = z.object({
  path: z.string().meta({ description: "JSON Pointer into the request." }),
  message: z.string(),
});

/** Every error answer (RFC 9457). */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    requestId: z.string(),
    errors: z.array(fieldFaultSchema).optional(),
  })
  .meta({ id: "Problem" });
