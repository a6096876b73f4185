import { UnrecoverableError } from "bullmq";
import type { z } from "zod";
import { type RunJob, runJobSchema, type StepJob, stepJobSchema } from "../contracts/step-job.js";
import type { Logger } from "../observability/logger.js";
import { type JobContext, openQueueWorker, type QueueWorker } from "./queue-worker.js";
import type { QueueBackend } from "./queue-connections.js";
import { RUNS_QUEUE, stepsQueue } from "./queue-names.js";

/** What became of a step's job: `failed` shows it as failed in Bull Board, with that reason. */
export type StepJobOutcome = "done" | { readonly failed: string };

/** What both kinds of worker are opened with. */
interface WorkerDeps {
  readonly backend: QueueBackend;
  readonly logger: Logger;
  /** Milliseconds between canary jobs: 10,000. */
  readonly canaryMs?: number;
  /** Milliseconds without an answer after which the worker no longer counts as consuming: 30,000. */
  readonly silenceMs?: number;
}

/**
 * Opens a worker on a group's step jobs. A job whose payload is not a step job fails. What the processor throws
 * is a fault of the platform, not of the step: the job is delivered again after 1, 2, 4, … at most 30 s.
 * @throws AppError NOT_READY when the server does not answer within 10 s.
 */
export async function openStepWorker(
  deps: WorkerDeps & {
    readonly group: string;
    readonly concurrency: number;
    readonly processor: (job: StepJob, context: JobContext) => Promise<StepJobOutcome>;
  },
): Promise<QueueWorker> {
  const { group, concurrency, processor, ...rest } = deps;
  return await openQueueWorker({
    ...rest,
    queueName: stepsQueue(group),
    concurrency,
    async process(data, context) {
      const outcome = await processor(parse(stepJobSchema, data), context);
      if (outcome !== "done") throw new StepFailed(outcome.failed);
    },
  });
}

/**
 * Opens a worker on the parent jobs of runs, each of which comes after the last of its children. A parent that
 * throws, or that a child joined meanwhile, comes again.
 * @throws AppError NOT_READY when the server does not answer within 10 s.
 */
export async function openRunWorker(
  deps: WorkerDeps & {
    /** How many runs it closes at once: 8. */
    readonly concurrency?: number;
    readonly processor: (job: RunJob, context: JobContext) => Promise<void>;
  },
): Promise<QueueWorker> {
  const { concurrency = 8, processor, ...rest } = deps;
  return await openQueueWorker({
    ...rest,
    queueName: RUNS_QUEUE,
    concurrency,
    async process(data, context) {
      await processor(parse(runJobSchema, data), context);
    },
  });
}

/** Fails a job for good, without a stack: Bull Board's readers have no use for the worker's. */
class StepFailed extends UnrecoverableError {
  constructor(reason: string) {
    super(reason);
    this.stack = "";
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, data: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `/${issue.path.join("/")} ${issue.message}`);
  throw new StepFailed(`Payload not valid: ${faults.join("; ")}`);
}
