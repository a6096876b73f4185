import { z } from "zod";

const outputsSchema = z.array(z.record(z.string(), z.json()));

/** What the helper of a notebook may say (`runtime/helper.py`). */
export const helperMessageSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("ready"),
    displayName: z.string(),
    languageInfo: z.record(z.string(), z.json()),
  }),
  z.object({
    type: z.literal("cell"),
    index: z.int().min(0),
    status: z.enum(["started", "succeeded", "failed"]),
    durationMs: z.number().optional(),
    executionCount: z.int().nullish(),
    outputs: outputsSchema.optional(),
  }),
  z.object({ type: z.literal("outputs"), index: z.int().min(0), outputs: outputsSchema }),
  z.object({ type: z.literal("result"), output: z.unknown() }),
  z.object({
    type: z.literal("error"),
    code: z.enum(["script_error", "invalid_input", "invalid_output", "out_of_memory", "timeout", "internal"]),
    message: z.string(),
    cell: z.int().optional(),
    ename: z.string().optional(),
    evalue: z.string().optional(),
    traceback: z.string().optional(),
    signal: z.string().optional(),
    exitCode: z.int().nullish(),
    path: z.string().optional(),
    retryable: z.boolean().optional(),
  }),
  z.object({ type: z.literal("html"), html: z.string().nullable(), hasRenderer: z.boolean() }),
]);

/** See {@link helperMessageSchema}. */
export type HelperMessage = z.infer<typeof helperMessageSchema>;
/** A message of one kind. */
export type HelperMessageOf<Type extends HelperMessage["type"]> = Extract<HelperMessage, { type: Type }>;
