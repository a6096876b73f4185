import type { PubSub, PubSubChannels, Unsubscribe } from "../events/pub-sub.js";

type RunNotice = PubSubChannels["run-events"]["runs"][number];

/** Wakes somebody who waits for news of a run. */
export interface Watch {
  /**
   * Resolves when there was news since the last call, at once if it came meanwhile; also after `ms` and when
   * the signal is aborted. Says whether there was news.
   */
  wait(ms: number, signal: AbortSignal): Promise<boolean>;
  close(): void;
}

/**
 * The process's one subscription to notices about runs. Notices are hints: they may be lost, so whoever waits
 * also looks by itself now and then, and after a reconnect everybody is woken.
 */
export function createRunNotices(deps: { readonly pubSub: PubSub }) {
  const watchesByRun = new Map<string, Set<WatchState>>();
  const watchesOfAll = new Set<WatchState>();
  const listeners = new Set<(notice: RunNotice | undefined) => void>();
  let unsubscribe: Unsubscribe | undefined;

  function tell(notice: RunNotice): void {
    for (const listener of listeners) listener(notice);
    for (const watch of watchesByRun.get(notice.runId) ?? []) watch.wake();
    if (notice.isRunEvent) for (const watch of watchesOfAll) watch.wake();
  }

  function wakeAll(): void {
    for (const listener of listeners) listener(undefined);
    for (const watches of watchesByRun.values()) for (const watch of watches) watch.wake();
    for (const watch of watchesOfAll) watch.wake();
  }

  return {
    async start(): Promise<void> {
      unsubscribe = await deps.pubSub.subscribe("run-events", (message) => message.runs.forEach(tell));
      deps.pubSub.onReconnect(wakeAll);
    },

    /** News of one run. Close it. */
    watchRun(runId: string): Watch {
      const watches = watchesByRun.get(runId) ?? new Set();
      watchesByRun.set(runId, watches);
      const watch = new WatchState(() => {
        watches.delete(watch);
        if (watches.size === 0 && watchesByRun.get(runId) === watches) watchesByRun.delete(runId);
      });
      watches.add(watch);
      return watch;
    },

    /** News of `run.*` events of any run. Close it. */
    watchAllRuns(): Watch {
      const watch = new WatchState(() => watchesOfAll.delete(watch));
      watchesOfAll.add(watch);
      return watch;
    },

    /** Hears every notice before those who wait are woken; undefined: any may have been missed. */
    onNotice(listener: (notice: RunNotice | undefined) => void): void {
      listeners.add(listener);
    },

    async close(): Promise<void> {
      await unsubscribe?.();
      unsubscribe = undefined;
      wakeAll();
    },
  };
}

/** See {@link createRunNotices}. */
export type RunNotices = ReturnType<typeof createRunNotices>;

class WatchState implements Watch {
  #hasNews = false;
  #wake: (() => void) | undefined;
  readonly close: () => void;

  constructor(onClose: () => void) {
    this.close = () => {
      onClose();
      this.#wake?.();
    };
  }

  wake(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#hasNews && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener("abort", done);
        this.#wake = done;
      });
    }
    const hadNews = this.#hasNews;
    this.#hasNews = false;
    return hadNews;
  }
}
