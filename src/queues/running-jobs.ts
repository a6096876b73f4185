/** The jobs that a worker runs now, each with its own signal. */
export function createRunningJobs() {
  const running = new Map<string, { controller: AbortController; done: Promise<unknown> }[]>();
  let total = 0;
  let idleListeners: (() => void)[] = [];

  function end(jobId: string, controller: AbortController): void {
    const left = (running.get(jobId) ?? []).filter((job) => job.controller !== controller);
    if (left.length > 0) running.set(jobId, left);
    else running.delete(jobId);
    total -= 1;
    if (total > 0) return;
    for (const listener of idleListeners) listener();
    idleListeners = [];
  }

  return {
    count: (): number => total,
    has: (jobId: string): boolean => running.has(jobId),

    /** Runs `work` under a signal. The same job once more in this process means that the older one lost its lock. */
    async track(jobId: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
      const controller = new AbortController();
      const older = running.get(jobId) ?? [];
      for (const job of older) job.controller.abort(new Error("lock lost"));
      total += 1;
      const done = work(controller.signal);
      running.set(jobId, [...older, { controller, done }]);
      try {
        await done;
      } finally {
        end(jobId, controller);
      }
    },

    /** Aborts a job's signal. */
    abort(jobId: string, reason: string): void {
      for (const job of running.get(jobId) ?? []) job.controller.abort(new Error(reason));
    },

    /** Aborts every signal. */
    abortAll(reason: string): void {
      for (const jobs of running.values()) for (const job of jobs) job.controller.abort(new Error(reason));
    },

    /** Waits until nothing runs, at most `limitMs`. @returns whether it came to that. */
    async waitIdle(limitMs: number): Promise<boolean> {
      if (total === 0) return true;
      return await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), limitMs);
        idleListeners.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
  };
}
