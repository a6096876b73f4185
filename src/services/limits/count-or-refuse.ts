import { AppError } from "../../errors/app-error.js";
import type { SharedLimiter } from "./shared-limits.js";

/** The refusal of what was done too often: "`what`. Try again in N s.", with Retry-After. */
export function tooMany(what: string, seconds: number): AppError {
  return new AppError("TOO_MANY_REQUESTS", `${what}. Try again in ${seconds} s.`, {
    headers: { "Retry-After": String(seconds) },
  });
}

/** Counts one of what a limiter counts. @throws AppError TOO_MANY_REQUESTS beyond its points, saying `what`. */
export async function countOrRefuse(limiter: SharedLimiter, key: string, what: string): Promise<void> {
  const { taken, resetMs } = await limiter.take(key, 1);
  if (taken > limiter.points) throw tooMany(what, Math.max(1, Math.ceil(resetMs / 1000)));
}
