import { DelayedError, type Job, UnrecoverableError, WaitingChildrenError, WaitingError } from "bullmq";
import { newId } from "../core/ids.js";
import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { createConsumptionProbe } from "./consumption-probe.js";
import type { BullWorker, QueueBackend } from "./queue-connections.js";
import { createErrorListener } from "./queue-errors.js";
import { createRunningJobs } from "./running-jobs.js";
import { withTimeLimit } from "./time-limit.js";
import { watchUnheardJobs } from "./unheard-jobs.js";

/** Bound of the re-delivery after a worker's death: lock + 2 × stall check = 20 s. */
const LOCK_MS = 10_000;
const STALL_CHECK_MS = 5000;
const MAX_STALLED = 2;
const OPEN_LIMIT_MS = 10_000;
/** How long aborted jobs get to end before the connections close under them. */
const ABORT_GRACE_MS = 2000;
const CLOSE_LIMIT_MS = 10_000;
const LONGEST_BACKOFF_MS = 30_000;

/** What a processor gets beside its job. */
export interface JobContext {
  /** Aborts when the job's lock is lost (another worker may have it) or the worker stops. */
  readonly signal: AbortSignal;
  /** Puts the job back for that long. Throws: nothing after it runs. */
  delay(delayMs: number): never;
}

/** A worker on one queue. */
export interface QueueWorker {
  readonly queueName: string;
  /** Takes no more jobs; those that run go on. */
  pause(): void;
  /** Takes jobs again. */
  resume(): void;
  /** When the queue last answered this worker with a job, or with "none": milliseconds since the epoch. */
  lastConsumedAt(): number;
  /** Whether the worker would get a job if there were one. Readiness asks this. */
  isConsuming(): boolean;
  /** How many jobs run now. */
  runningCount(): number;
  /** Takes no more jobs, lets those that run end within `drainMs`, aborts the rest, and closes. Idempotent. */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/** What a queue worker is opened with. */
export interface QueueWorkerDeps {
  readonly backend: QueueBackend;
  readonly logger: Logger;
  readonly queueName: string;
  readonly concurrency: number;
  readonly canaryMs?: number;
  readonly silenceMs?: number;
  /** Ends the job: returning completes it, an `UnrecoverableError` fails it, anything else brings it back later. */
  process(data: unknown, context: JobContext): Promise<void>;
}

/** Asks for the job to be put back; thrown by {@link JobContext.delay}. */
class DelayRequest extends Error {
  constructor(readonly delayMs: number) {
    super(`put back for ${delayMs} ms`);
  }
}

/** Opens a BullMQ worker. @throws AppError NOT_READY when the server does not answer within 10 s. */
export async function openQueueWorker(deps: QueueWorkerDeps): Promise<QueueWorker> {
  const { backend, queueName, concurrency } = deps;
  const logger = deps.logger.child({ queue: queueName });
  const running = createRunningJobs();
  const id = newId();
  const probe = createConsumptionProbe({
    queue: backend.queue(queueName),
    workerId: id,
    canaryMs: deps.canaryMs ?? 10_000,
    silenceMs: deps.silenceMs ?? 30_000,
    isBusy: () => running.count() >= concurrency,
  });

  async function take(job: Job, token = ""): Promise<void> {
    if (probe.isCanary(job.id)) return;
    if (probe.isPaused()) await giveBack(job, token);
    await running.track(job.id ?? "", async (signal) => {
      await rejoinChildren(job, token);
      try {
        await deps.process(job.data, { signal, delay: requestDelay });
      } catch (error) {
        await putBackUnlessFailed(job, token, error, logger);
      }
    });
  }

  const worker = backend.createWorker(queueName, take, {
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALL_CHECK_MS,
    maxStalledCount: MAX_STALLED,
    runRetryDelay: 2000,
  });
  worker.on("error", createErrorListener(logger));
  worker.on("lockRenewalFailed", (ids) => {
    for (const jobId of ids) running.abort(jobId, "lock lost");
  });
  try {
    await withTimeLimit(worker.waitUntilReady(), OPEN_LIMIT_MS, "Opening a worker");
  } catch (error) {
    await worker.close(true);
    throw error;
  }
  probe.watch(worker);
  const unheard = watchUnheardJobs({ backend, worker, isRunning: running.has, logger });
  return createHandle({ backend, worker, queueName, probe, unheard, running, logger });
}

function createHandle(deps: {
  backend: QueueBackend;
  worker: BullWorker;
  queueName: string;
  probe: ReturnType<typeof createConsumptionProbe>;
  unheard: ReturnType<typeof watchUnheardJobs>;
  running: ReturnType<typeof createRunningJobs>;
  logger: Logger;
}): QueueWorker {
  const { backend, worker, probe, running, logger } = deps;
  let closing: Promise<void> | undefined;

  function pause(): void {
    probe.pause();
    // true: do not wait for the jobs that run
    worker.pause(true).catch((error: unknown) => logger.warn({ err: error }, "pausing failed"));
  }

  async function close(drainMs: number): Promise<void> {
    pause();
    probe.stop();
    deps.unheard.stop();
    if (!(await running.waitIdle(drainMs))) {
      running.abortAll("the worker stops");
      await running.waitIdle(ABORT_GRACE_MS);
    }
    const left = running.count();
    if (left > 0)
      logger.warn({ jobs: left }, "closing under jobs that do not end: they will be delivered again");
    // a job whose processor has just ended is still to be marked as done: only force when there is no hope.
    // Without force, BullMQ waits for ever for a connection that is down to say that it has ended
    const isHopeless = left > 0 || !backend.isReachable();
    await withTimeLimit(worker.close(isHopeless), CLOSE_LIMIT_MS, "Closing a worker").catch(
      (error: unknown) => {
        logger.warn({ err: error }, "a worker's connections did not close");
      },
    );
  }

  return {
    queueName: deps.queueName,
    pause,
    resume() {
      probe.resume();
      worker.resume().catch((error: unknown) => logger.warn({ err: error }, "resuming failed"));
    },
    lastConsumedAt: probe.lastConsumedAt,
    isConsuming: probe.isConsuming,
    runningCount: running.count,
    async close({ drainMs }) {
      closing ??= close(drainMs);
      await closing;
    },
  };
}

/** A worker that waits for a job when it is paused still gets that one. */
async function giveBack(job: Job, token: string): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

function requestDelay(delayMs: number): never {
  throw new DelayRequest(Math.max(0, Math.ceil(delayMs)));
}

/** A parent that a child joined while it ran cannot complete: when it comes again, it waits for that child. */
async function rejoinChildren(job: Job, token: string): Promise<void> {
  if (job.attemptsMade === 0) return;
  if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError();
}

/**
 * A processor that throws met a fault of the platform. Failing the job would keep its record, which stands in
 * the way of dispatching the same attempt again; so it goes back, and comes again after a while.
 */
async function putBackUnlessFailed(job: Job, token: string, thrown: unknown, logger: Logger): Promise<never> {
  if (thrown instanceof UnrecoverableError) throw thrown;
  const isAsked = thrown instanceof DelayRequest;
  const backoffMs = Math.min(1000 * 2 ** Math.min(job.attemptsStarted - 1, 10), LONGEST_BACKOFF_MS);
  const delayMs = isAsked ? thrown.delayMs : backoffMs;
  if (!isAsked)
    logger.error({ err: toError(thrown), jobId: job.id, delayMs }, "processor threw, the job goes back");
  await job.moveToDelayed(Date.now() + delayMs, token);
  throw new DelayedError();
}
