import { z } from "zod";

/** The payload of a schedule's job: which one may be due. PostgreSQL says whether it is. */
export const scheduleJobSchema = z.object({
  scheduleId: z.uuid(),
  /** What the job scheduler was made from: another text means that it has to be made anew. */
  timing: z.string(),
});
export type ScheduleJob = z.infer<typeof scheduleJobSchema>;
