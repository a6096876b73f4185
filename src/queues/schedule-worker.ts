import { scheduleJobSchema } from "../contracts/schedule-job.js";
import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import type { QueueBackend } from "./queue-connections.js";
import { SCHEDULES_QUEUE } from "./queue-names.js";
import { openQueueWorker, type QueueWorker } from "./queue-worker.js";

const CONCURRENCY = 4;

/**
 * Opens a worker on the jobs of schedules. Its jobs are hints: one that cannot be followed is dropped, since whoever
 * sweeps the schedules will find what is due.
 * @throws AppError NOT_READY when the server does not answer within 10 s.
 */
export async function openScheduleWorker(deps: {
  readonly backend: QueueBackend;
  readonly logger: Logger;
  /** Fires the schedule if it is due. */
  readonly fire: (scheduleId: string, signal: AbortSignal) => Promise<void>;
}): Promise<QueueWorker> {
  const { backend, logger, fire } = deps;
  return await openQueueWorker({
    backend,
    logger,
    queueName: SCHEDULES_QUEUE,
    concurrency: CONCURRENCY,
    async process(data, { signal }) {
      const job = scheduleJobSchema.safeParse(data);
      if (!job.success) return;
      try {
        await fire(job.data.scheduleId, signal);
      } catch (error) {
        logger.warn({ err: toError(error), scheduleId: job.data.scheduleId }, "left to the next sweep");
      }
    },
  });
}
