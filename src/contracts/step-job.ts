import { z } from "zod";

/**
 * The payload of a step's job: ids and small scalars only (security rule 15: no code, inputs or secrets).
 * Unknown fields are dropped, so that workers of neighbouring versions can share a queue.
 */
export const stepJobSchema = z.object({
  runId: z.uuid(),
  versionId: z.uuid(),
  stepIndex: z.int().min(0),
  stepId: z.string(),
  itemIndex: z.int().min(-1).default(-1),
  attempt: z.int().min(1),
  /** How many workers have died under the step; absent: none. */
  lostCount: z.int().min(0).optional(),
});
export type StepJob = z.infer<typeof stepJobSchema>;

/** The payload of the parent job of a run's flow: it closes the run if nothing else has. */
export const runJobSchema = z.object({ runId: z.uuid() });
export type RunJob = z.infer<typeof runJobSchema>;
