import { z } from "zod";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { idSchema } from "./common.js";

/** A step's id in a path or a body. */
const stepIdSchema = z.string().min(1).max(200);

/** Any JSON. The body was parsed already. */
const anyJsonSchema = z.unknown().meta({ description: "Default: the input of the old run." });
const inputSchema = (anyJsonSchema as unknown as z.ZodType<JsonValue>).optional();
const formSchema = z.record(z.string(), z.unknown()).meta({ description: "Values of the approval's form." });

const replayShape = {
  input: inputSchema,
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .optional()
    .meta({ description: "Default: the version of the old run." }),
};

/** Body of `POST /workflow-runs/{id}/replay`; may be left out. */
export const replayRunSchema = z.strictObject(replayShape).default({}).meta({ id: "ReplayRun" });

/** Body of `POST /workflow-runs/{id}/rerun`; may be left out. */
export const rerunRunSchema = z
  .strictObject({
    from: stepIdSchema
      .optional()
      .meta({ description: "`failed` (default), `start`, or the id of a step: it and all that follows it." }),
    ...replayShape,
  })
  .default({})
  .meta({ id: "RerunRun" });

/** `…/workflow-runs/{id}/steps/{stepId}` */
export const runStepParamsSchema = z.strictObject({ id: idSchema, stepId: stepIdSchema });

/** Body of `…/approve` and `…/reject`; may be left out. */
export const decideStepSchema = z
  .strictObject({
    comment: z.string().max(5000).optional(),
    values: (formSchema as unknown as z.ZodType<JsonObject>).optional(),
    itemIndex: z
      .int()
      .min(0)
      .max(1_000_000)
      .optional()
      .meta({ description: "Which item of a `forEach`; default: the first that waits." }),
  })
  .default({})
  .meta({ id: "DecideStep" });
