/** Runs that were started and whose end has not been seen. */
export interface PendingRuns {
  /** Resolves when {@link PendingRuns.end} is called for the run; rejects after the limit. */
  wait(runId: string): Promise<void>;
  has(runId: string): boolean;
  ids(): string[];
  end(runId: string): void;
  fail(runId: string, error: Error): void;
}

/** Keeps the runs that a driver waits for. @param limitMs how long one may take. */
export function createPendingRuns(limitMs: number): PendingRuns {
  const pending = new Map<string, { settle(error?: Error): void }>();
  const settle = (runId: string, error?: Error): void => {
    pending.get(runId)?.settle(error);
    pending.delete(runId);
  };
  return {
    wait(runId) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => settle(runId, new Error(`run ${runId} did not end in ${limitMs / 1000} s`)),
          limitMs,
        );
        pending.set(runId, {
          settle(error) {
            clearTimeout(timer);
            if (error) reject(error);
            else resolve();
          },
        });
      });
    },
    has: (runId) => pending.has(runId),
    ids: () => [...pending.keys()],
    end: (runId) => settle(runId),
    fail: (runId, error) => settle(runId, error),
  };
}
