import { z } from "zod";

/** Name of a worker group, as `workerGroup` of a step and `WORKER_GROUPS` of a worker have it. */
export const workerGroupNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be the name of a worker group");

/** The work of one worker group, and the workers that are there for it: what an autoscaler needs to know. */
export const workerGroupSchema = z
  .object({
    name: z.string(),
    waiting: z.int().meta({ description: "Steps that wait for a worker, now." }),
    running: z.int().meta({ description: "Steps that a worker has taken." }),
    delayed: z.int().meta({ description: "Steps that wait for their time: a retry, a start with a delay." }),
    workers: z.int().meta({ description: "Worker processes of the group that live." }),
    slots: z
      .int()
      .meta({ description: "How many steps those run at once. A worker of two groups counts in both." }),
  })
  .meta({ id: "WorkerGroup" });
export type WorkerGroup = z.infer<typeof workerGroupSchema>;

/** Answer of `GET /worker-groups`: by name. */
export const workerGroupListSchema = z.object({ items: z.array(workerGroupSchema) });
