import { z } from "zod";
import { ROLES } from "../core/permissions.js";
import { externalDbNameSchema, queryShapes } from "./api/external-db-configs.js";
import { emailSchema } from "./api/users.js";

/** A year: the longest that a step waits or an approval stays open. */
const MAX_WAIT_SECONDS = 31_536_000;

/** The inputs of `builtin:wait`, each by itself; a step has exactly one of them. */
export const waitInputShapes = {
  seconds: z.number().min(0).max(MAX_WAIT_SECONDS),
  until: z.iso.datetime({
    offset: true,
    error: "must be an ISO 8601 time with its zone, like 2026-01-31T09:00:00Z",
  }),
};

/** Who may decide an approval, and how many have to. */
export const approversSchema = z
  .strictObject({
    roles: z.array(z.enum(ROLES)).max(ROLES.length).optional(),
    users: z.array(emailSchema).max(100).optional(),
    required: z.int().min(1).max(100).default(1),
  })
  .superRefine(({ roles = [], users = [], required }, context) => {
    const people = new Set(users.map((user) => user.toLowerCase())).size;
    if (roles.length > 0 || people === 0 || required <= people) return;
    context.addIssue({
      code: "custom",
      path: ["required"],
      message: `must be at most ${people}, the number of users who may approve`,
    });
  });

/** The inputs of `builtin:approval`, each by itself. `form` is a JSON Schema, to be inspected as such. */
export const approvalInputShapes = {
  message: z.string().max(10_000),
  form: z.record(z.string(), z.unknown()),
  approvers: approversSchema,
  allowSelfApproval: z.boolean(),
  expiresInSeconds: z.number().positive().max(MAX_WAIT_SECONDS),
  onExpiry: z.enum(["reject", "approve", "fail"]),
};

/** The inputs of `builtin:sql`, each by itself. */
export const sqlInputShapes = {
  connection: externalDbNameSchema,
  sql: queryShapes.sql,
  params: queryShapes.params,
  maxRows: queryShapes.maxRows,
  readOnly: queryShapes.readOnly,
};
