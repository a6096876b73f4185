import { z } from "zod";
import { parsePointer } from "../core/json-pointer.js";
import type { JsonValue } from "../core/json.js";

const pointer = z
  .string()
  .max(1000)
  .refine((value) => parsePointer(value) !== undefined, {
    error: 'must be a JSON Pointer: "" or /name/0/…',
  });

/** A step id: `__proto__` and the like cannot match. */
export const stepIdSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, "must match ^[a-z][a-z0-9_-]{0,62}$")
  .refine((id) => id !== "constructor" && id !== "prototype", { error: "is reserved" });

/** What Windows takes for a device, whatever the folder: an export writes each definition to a file of its name. */
const DEVICE_NAME = /^(?:con|prn|aux|nul|(?:com|lpt)[0-9])$/;

/** The name of an MCP or workflow definition. */
export const definitionNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,62}$/, "must match ^[a-z][a-z0-9-]{1,62}$")
  .refine((name) => !DEVICE_NAME.test(name), { error: "is the name of a device on Windows" });

/** The name of a stored secret. */
export const secretNameSchema = z
  .string()
  .regex(/^[A-Z_][A-Z0-9_]{0,62}$/, "must match ^[A-Z_][A-Z0-9_]{0,62}$");

const expression = z.string().min(1).max(10_000);

/** What came out of a JSON or YAML body is JSON already: only its absence is a fault. */
const jsonValueSchema = z.unknown().refine((value) => value !== undefined, {
  error: "is required",
  // else a union would take a mapping without any kind to be meant as a value
  abort: true,
}) as unknown as z.ZodType<JsonValue>;

/** Where one input comes from: exactly one of the five kinds. */
export const inputMappingSchema = z.union(
  [
    z.strictObject({ input: pointer }),
    z.strictObject({ step: stepIdSchema, output: pointer.default("") }),
    z.strictObject({ value: jsonValueSchema }),
    z.strictObject({ secret: secretNameSchema }),
    z.strictObject({ expression }),
  ],
  { error: "must be one of { input }, { step, output }, { value }, { secret }, { expression }" },
);

/** `retry` of a step, with its defaults. */
export const retrySchema = z.strictObject({
  maxAttempts: z.int().min(1).max(100).default(3),
  backoff: z.enum(["fixed", "exponential"]).default("exponential"),
  delaySeconds: z.number().min(0).max(86_400).default(1),
  maxDelaySeconds: z.number().min(0).max(604_800).default(60),
  jitter: z.boolean().default(true),
});

/** One step, as written. */
export const stepSchema = z.strictObject({
  id: stepIdSchema,
  name: z.string().max(200).optional(),
  uses: z.string().max(200),
  inputs: z.record(z.string().min(1).max(200), inputMappingSchema).optional(),
  dependsOn: z.array(stepIdSchema).max(10_000).optional(),
  when: expression.optional(),
  forEach: inputMappingSchema.optional(),
  maxParallel: z.int().min(1).max(10_000).optional(),
  runAfter: z.enum(["allSucceeded", "allDone", "anyFailed"]).default("allSucceeded"),
  retry: retrySchema.optional(),
  timeoutSeconds: z.number().positive().max(604_800).optional(),
  queueTimeoutSeconds: z.number().positive().max(604_800).optional(),
  onError: z.enum(["fail", "continue"]).default("fail"),
  cache: z
    .strictObject({ ttlSeconds: z.int().min(1).max(31_536_000), key: expression.optional() })
    .optional(),
  workerGroup: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, "must match ^[a-z][a-z0-9-]{0,62}$")
    .default("default"),
  priority: z.int().min(-1000).max(1000).default(0),
  waitForSubmit: z.boolean().optional(),
});

/** A workflow definition, as written in JSON or YAML. Shapes only; names and graph are checked by the service. */
export const workflowDefinitionBodySchema = z.strictObject({
  inputs: z
    .record(z.string(), jsonValueSchema)
    .optional()
    .describe("JSON Schema 2020-12 of the run's input."),
  outputs: z.record(z.string().min(1).max(200), inputMappingSchema).optional(),
  timeoutSeconds: z.number().positive().max(31_536_000).optional(),
  concurrency: z
    .strictObject({
      limit: z.int().min(1).max(100_000),
      key: expression.optional(),
      onConflict: z.enum(["queue", "skip", "cancelRunning"]).default("queue"),
    })
    .optional(),
  rateLimit: z
    .strictObject({
      limit: z.int().min(1),
      seconds: z.int().min(1).max(86_400),
      key: expression.optional(),
    })
    .optional(),
  tool: z.boolean().optional(),
  onFailure: z.array(stepSchema).max(100).optional(),
  finally: z.array(stepSchema).max(100).optional(),
  steps: z.array(stepSchema).min(1, "must have at least one step"),
});

/**
 * A definition in a request or an answer: any value, described in the OpenAPI document as what it must be. The
 * service judges it, so that faults of shape and of meaning come all at once.
 */
export const workflowDefinitionDocumentSchema = z.unknown().meta({
  id: "WorkflowDefinitionBody",
  override: ({ jsonSchema }: { jsonSchema: object }) => {
    const { $schema: _dialect, ...body } = z.toJSONSchema(workflowDefinitionBodySchema, { io: "input" });
    Object.assign(jsonSchema, body);
  },
});

/** A workflow definition with its defaults filled in. */
export type WorkflowDefinitionBody = z.infer<typeof workflowDefinitionBodySchema>;
/** One step of it. */
export type WorkflowStep = z.infer<typeof stepSchema>;
