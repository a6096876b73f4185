import { z } from "zod";
import { approvalInputShapes, waitInputShapes } from "../../src/contracts/builtin-inputs.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { Hold } from "../../src/core/transition.js";
import { ExecutionError } from "../../src/executors/types.js";

const waitInputsSchema = z
  .strictObject({ seconds: waitInputShapes.seconds.optional(), until: waitInputShapes.until.optional() })
  .refine(({ seconds, until }) => (seconds === undefined) !== (until === undefined), {
    error: "must have exactly one of seconds and until",
  });

const approvalInputsSchema = z.strictObject({
  message: approvalInputShapes.message.optional(),
  form: approvalInputShapes.form.optional(),
  approvers: approvalInputShapes.approvers.default({ required: 1 }),
  allowSelfApproval: approvalInputShapes.allowSelfApproval.default(true),
  expiresInSeconds: approvalInputShapes.expiresInSeconds.optional(),
  onExpiry: approvalInputShapes.onExpiry.default("reject"),
});

/**
 * What a `builtin:wait` step waits for.
 * @throws ExecutionError `invalid_input`
 */
export function toWait(values: JsonValue, inputs: JsonValue): Hold {
  const { seconds, until } = parse(waitInputsSchema, values);
  if (until !== undefined) {
    const detail = `waits until ${until}`;
    return { dueAt: until, waitingFor: { reason: "wait", detail }, inputs };
  }
  const detail = `waits ${seconds ?? 0} seconds`;
  return { dueMs: (seconds ?? 0) * 1000, waitingFor: { reason: "wait", detail }, inputs };
}

/**
 * What a `builtin:approval` step asks for.
 * @throws ExecutionError `invalid_input`
 */
export function toApproval(values: JsonValue, inputs: JsonValue): Hold {
  const given = parse(approvalInputsSchema, values);
  const { roles = [], users = [], required } = given.approvers;
  const form = given.form as JsonObject | undefined;
  const people = [...roles.map((role) => `any ${role}`), ...users].join(", ") || "anyone who may approve";
  return {
    ...(given.expiresInSeconds === undefined ? {} : { dueMs: given.expiresInSeconds * 1000 }),
    approval: {
      ...(given.message === undefined ? {} : { message: given.message }),
      ...(form === undefined ? {} : { form }),
      roles,
      users,
      required,
      allowSelfApproval: given.allowSelfApproval,
      onExpiry: given.onExpiry,
      decisions: [],
    },
    waitingFor: {
      reason: "approval",
      detail: `waits for ${required} approval${required === 1 ? "" : "s"} by ${people}`,
      ...(given.message === undefined ? {} : { message: given.message }),
      ...(form === undefined ? {} : { form }),
      approvers: { roles, users, required },
    },
    inputs,
  };
}

function parse<Schema extends z.ZodType>(schema: Schema, values: JsonValue): z.output<Schema> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const errors = result.error.issues.map((issue) => ({
    path: issue.path.map((part) => `/${String(part)}`).join(""),
    message: issue.message,
  }));
  const [first] = errors;
  throw new ExecutionError("invalid_input", `Input ${first?.path || "/"} ${first?.message ?? ""}`, {
    details: { errors },
  });
}
