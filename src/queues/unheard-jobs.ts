import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import type { BullWorker, QueueBackend, TakenJob } from "./queue-connections.js";

/** A network that is back may bring the server old requests for so long: TCP sends again after up to twice its silence. */
const WATCH_MS = 60_000;
const LOOK_MS = 1000;

/**
 * Gives back jobs that a worker was given without hearing of it. When a connection dies, the server may have heard the
 * request for a job, or may hear it when the network is back; the answer goes nowhere, and asking again on a new
 * connection brings no such job: it would be nobody's until its lock has expired and two checks for stalled jobs have
 * passed, 10 to 20 s. So after each reconnect the worker looks, for a minute, for jobs that are locked with its name and
 * that it does not run. Twice in a row, since the answer that brings one may be under way.
 */
export function watchUnheardJobs(deps: {
  backend: QueueBackend;
  worker: BullWorker;
  isRunning: (jobId: string) => boolean;
  logger: Logger;
}) {
  const { backend, worker, isRunning, logger } = deps;
  let timer: NodeJS.Timeout | undefined;
  let watchUntil = 0;
  let isLooking = false;
  let isStopped = false;
  let suspects = new Set<string>();

  const rest = (): void => {
    clearInterval(timer);
    timer = undefined;
    suspects.clear();
  };

  async function look(): Promise<void> {
    const unheard = (await backend.findTaken(worker)).filter(({ jobId }) => !isRunning(jobId));
    const again = unheard.filter(({ token, jobId }) => suspects.has(`${token} ${jobId}`));
    suspects = new Set(unheard.map(({ token, jobId }) => `${token} ${jobId}`));
    for (const job of again) await giveBack(job);
  }

  async function giveBack({ jobId, token }: TakenJob): Promise<void> {
    const job = await backend.queue(worker.name).getJob(jobId);
    await job?.moveToWait(token);
    logger.warn({ jobId }, "the answer that brought this job was lost with a connection: it goes back");
  }

  function tick(): void {
    if (Date.now() > watchUntil) return rest();
    // a look at a server that is silent again waits, and none queues up behind it
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => logger.warn({ err: toError(error) }, "looking for unheard jobs failed"))
      .finally(() => {
        isLooking = false;
      });
  }

  worker.getBackend().on("ready", () => {
    if (isStopped) return;
    watchUntil = Date.now() + WATCH_MS;
    timer ??= setInterval(tick, LOOK_MS);
  });
  return {
    /** For good: the worker closes. */
    stop(): void {
      isStopped = true;
      rest();
    },
  };
}
