import { z } from "zod";

/** What the command line reads of the API's answers; additions to the API do not trouble it. */

const runError = z
  .looseObject({ code: z.string(), message: z.string(), stepId: z.string().nullish() })
  .nullable();

/** A run. */
export const runShape = z.looseObject({
  id: z.string(),
  workflow: z.looseObject({ id: z.string(), name: z.string(), version: z.number() }),
  status: z.string(),
  trigger: z.string(),
  output: z.unknown().optional(),
  error: runError.optional(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  durationMs: z.number().nullable(),
});
export type Run = z.infer<typeof runShape>;

/** A file that a step left. */
export const artifactShape = z.looseObject({
  id: z.string(),
  name: z.string(),
  contentType: z.string().optional(),
  sizeBytes: z.number().optional(),
});
export type Artifact = z.infer<typeof artifactShape>;

/** A step of a run. */
export const stepRunShape = z.looseObject({
  stepId: z.string(),
  itemIndex: z.number().nullish(),
  status: z.string(),
  attempt: z.number().nullish(),
  artifacts: z.array(artifactShape).nullish(),
  error: runError.optional(),
});
export type StepRun = z.infer<typeof stepRunShape>;

/** The answer of lists that are not paged, or that may be. */
export function itemsOf<T extends z.ZodType>(item: T): z.ZodType<z.infer<T>[]> {
  return z
    .union([z.array(item), z.looseObject({ items: z.array(item) })])
    .transform((answer) => (Array.isArray(answer) ? answer : answer.items)) as unknown as z.ZodType<
    z.infer<T>[]
  >;
}

/** An event of a run, as the stream's frames carry it. */
export const runEventShape = z.looseObject({
  seq: z.number(),
  runId: z.string(),
  type: z.string(),
  at: z.string(),
  stepId: z.string().nullish(),
  itemIndex: z.number().nullish(),
  attempt: z.number().nullish(),
  data: z.unknown(),
});
export type RunEventFrame = z.infer<typeof runEventShape>;

/** A line of a run's log. */
export const logLineShape = z.looseObject({
  at: z.string(),
  stepId: z.string().nullish(),
  stream: z.string(),
  message: z.string(),
});

/** An MCP definition. */
export const mcpDefinitionShape = z.looseObject({
  id: z.string(),
  name: z.string(),
  mcpType: z.string(),
  description: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  revision: z.number().optional(),
});
export type McpDefinition = z.infer<typeof mcpDefinitionShape>;

/** A version of an MCP. */
export const mcpVersionShape = z.looseObject({
  id: z.string(),
  version: z.string(),
  description: z.string().nullish(),
  config: z.record(z.string(), z.unknown()),
  inputSchema: z.unknown(),
  outputSchema: z.unknown(),
  secrets: z.array(z.string()).nullish(),
  externalDbConfigs: z.array(z.string()).nullish(),
});
export type McpVersion = z.infer<typeof mcpVersionShape>;

/** A workflow definition. */
export const workflowShape = z.looseObject({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  definition: z.record(z.string(), z.unknown()).optional(),
  latestVersion: z.number().nullish(),
  publishedVersion: z.number().nullish(),
  revision: z.number().optional(),
});
export type Workflow = z.infer<typeof workflowShape>;

/** A schedule of a list. */
export const listedScheduleShape = z.looseObject({
  name: z.string(),
  workflow: z.string().nullable(),
  cron: z.string().nullable(),
  everySeconds: z.number().nullable(),
  timezone: z.string(),
  input: z.unknown(),
  enabled: z.boolean(),
  overlap: z.string(),
  catchUp: z.string(),
});

/** A schedule; what a manifest may set is compared by name. */
export const scheduleShape = z.looseObject({ id: z.string(), name: z.string(), revision: z.number() });
