import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../../errors/app-error.js";

/** Keeps one person from keeping the copilot busy. It counts in this process. */
export interface CopilotThrottle {
  /** @throws AppError TOO_MANY_REQUESTS with Retry-After. */
  assertMayAsk(userId: string | null): Promise<void>;
}

/** Makes the throttle. */
export function createCopilotThrottle(callsPerMinute: number): CopilotThrottle {
  const limiter = new RateLimiterMemory({ keyPrefix: "copilot", points: callsPerMinute, duration: 60 });
  return {
    async assertMayAsk(userId) {
      try {
        await limiter.consume(userId ?? "nobody");
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        const seconds = Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
        throw new AppError(
          "TOO_MANY_REQUESTS",
          `The copilot was asked too often. Try again in ${seconds} s.`,
          {
            headers: { "Retry-After": String(seconds) },
            cause: refused,
          },
        );
      }
    },
  };
}
