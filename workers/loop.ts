import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../src/observability/logger.js";

/** A loop that runs until it is stopped. */
export interface Loop {
  /** Resolves when the turn under way, if any, has ended. */
  stop(): Promise<void>;
}

/** Runs `turn` again and again with a pause between turns. A failing turn is logged and the loop goes on. */
export function startLoop(
  options: { everyMs: number; name: string; logger: Logger },
  turn: () => Promise<void>,
): Loop {
  const stopping = new AbortController();
  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await turn();
      } catch (error) {
        options.logger.warn({ err: error, loop: options.name }, "loop turn failed");
      }
      // an abort ends the pause early: the loop's own end, not a failure
      await sleep(options.everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
