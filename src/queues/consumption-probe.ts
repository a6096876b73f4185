import type { IQueueBackend } from "bullmq";
import type { BullQueue, BullWorker } from "./queue-connections.js";

const CANARY = "canary.";

/**
 * Proves that a worker consumes. A ping would not do: connections have stayed "up" for days while nothing was
 * taken. Each answer to the worker's own request for a job counts; an idle worker asks every 5 s, and a canary
 * job every 10 s makes the server wake it. Canaries alone could not tell: another worker may take them all.
 */
export function createConsumptionProbe(deps: {
  queue: BullQueue;
  workerId: string;
  canaryMs: number;
  silenceMs: number;
  /** Whether all slots are taken, so that the worker asks for nothing. */
  isBusy: () => boolean;
}) {
  let consumedAt = Date.now();
  let lockRenewedAt = 0;
  let isPaused = false;
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;

  const markConsumed = (): void => {
    consumedAt = Date.now();
  };

  function sendCanary(): void {
    if (isPaused) return;
    sent += 1;
    const jobId = `${CANARY}${deps.workerId}.${sent}`;
    const options = { jobId, removeOnComplete: true, removeOnFail: true };
    // out of reach: then no answer comes either, and isConsuming says so
    deps.queue.add("canary", {}, options).catch((error: Error) => deps.queue.emit("error", error));
  }

  return {
    isCanary: (jobId: string | undefined): boolean => jobId?.startsWith(CANARY) ?? false,

    /** Starts watching a worker. */
    watch(worker: BullWorker): void {
      observeAnswers(worker.getBackend(), markConsumed);
      worker.on("locksRenewed", () => {
        lockRenewedAt = Date.now();
      });
      markConsumed();
      timer = setInterval(sendCanary, deps.canaryMs);
    },
    isPaused: (): boolean => isPaused,
    pause(): void {
      isPaused = true;
    },
    resume(): void {
      isPaused = false;
      markConsumed();
    },
    stop(): void {
      clearInterval(timer);
    },
    lastConsumedAt: (): number => consumedAt,
    isConsuming(): boolean {
      if (isPaused) return false;
      const since = Date.now() - deps.silenceMs;
      return consumedAt >= since || (deps.isBusy() && lockRenewedAt >= since);
    },
  };
}

/** Calls `onAnswer` whenever the server has answered a request for the next job, be it with none. */
function observeAnswers(backend: IQueueBackend, onAnswer: () => void): void {
  const { moveToActive, moveToCompleted, moveToFailed } = backend;
  const observe =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      const result = await call.apply(backend, args);
      onAnswer();
      return result;
    };
  backend.moveToActive = observe(moveToActive);
  backend.moveToCompleted = observe(moveToCompleted) as typeof moveToCompleted;
  backend.moveToFailed = observe(moveToFailed) as typeof moveToFailed;
}
