import type { JsonObject } from "../../core/json.js";

/** Passes progress on, though never more often than a step's event log can bear. */
export interface ProgressThrottle {
  report(data: JsonObject): void;
  /** Passes on what was held back last; call it when the script has ended. */
  flush(): void;
}

const BURST = 50;
const PER_SECOND = 10;

/** Reports pass at once until a burst is used up, then ten a second; of those held back, the latest counts. */
export function createProgressThrottle(
  emit: (data: JsonObject) => void,
  now: () => number = () => performance.now(),
): ProgressThrottle {
  let tokens = BURST;
  let refilledAt = now();
  let held: JsonObject | undefined;

  return {
    report(data) {
      const at = now();
      tokens = Math.min(BURST, tokens + ((at - refilledAt) / 1_000) * PER_SECOND);
      refilledAt = at;
      if (tokens < 1) {
        held = data;
        return;
      }
      tokens -= 1;
      held = undefined;
      emit(data);
    },
    flush() {
      if (held) emit(held);
      held = undefined;
    },
  };
}
