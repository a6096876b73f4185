import { countOrRefuse } from "../limits/count-or-refuse.js";
import type { SharedLimits } from "../limits/shared-limits.js";

/** Keeps one person from keeping the copilot busy, over all processes. */
export interface CopilotThrottle {
  /** @throws AppError TOO_MANY_REQUESTS with Retry-After. */
  assertMayAsk(userId: string | null): Promise<void>;
}

/** Makes the throttle. */
export function createCopilotThrottle(limits: SharedLimits, callsPerMinute: number): CopilotThrottle {
  const limiter = limits.limiter({ name: "copilot", points: callsPerMinute, seconds: 60 });
  return {
    assertMayAsk: async (userId) =>
      await countOrRefuse(limiter, userId ?? "nobody", "The copilot was asked too often"),
  };
}
