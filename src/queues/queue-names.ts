/** The queue that parent jobs of runs wait in. */
export const RUNS_QUEUE = "runs";

/** The queue whose job schedulers say when a schedule may be due. */
export const SCHEDULES_QUEUE = "schedules";

/** The queue of a worker group's step jobs. Queue names hold no `:` (BullMQ refuses it). */
export function stepsQueue(workerGroup: string): string {
  return `steps-${workerGroup}`;
}

/** The worker group whose steps wait in a queue; undefined for a queue of anything else. */
export function groupOfQueue(queue: string): string | undefined {
  const prefix = stepsQueue("");
  return queue.startsWith(prefix) ? queue.slice(prefix.length) : undefined;
}

/** The id of a step's job: deterministic, so that enqueueing twice is harmless. */
export function stepJobId(job: {
  runId: string;
  stepId: string;
  itemIndex: number;
  attempt: number;
}): string {
  const item = job.itemIndex < 0 ? "-" : String(job.itemIndex);
  return `${job.runId}.${job.stepId}.${item}.${job.attempt}`;
}

/** The id of the parent job of a run's flow. */
export function runJobId(runId: string, flow: number): string {
  return `${runId}.flow.${flow}`;
}
