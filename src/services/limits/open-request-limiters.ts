import type { Settings } from "../../config/settings-schema.js";
import { createRequestLimiter, type RequestLimiter } from "./request-limiter.js";
import type { SharedLimits } from "./shared-limits.js";

const WINDOW_SECONDS = 60;

/** The limits that the settings ask for; a limit of 0 is none. */
export function openRequestLimiters(deps: {
  readonly limits: SharedLimits;
  readonly settings: Pick<Settings, "RATE_LIMIT_ADDRESS" | "RATE_LIMIT_CALLER">;
}): { readonly byAddress?: RequestLimiter; readonly byCaller?: RequestLimiter } {
  const { limits, settings } = deps;
  const open = (name: string, limit: number) =>
    createRequestLimiter({
      shared: limits.limiter({ name, points: limit, seconds: WINDOW_SECONDS }),
      limit,
    });
  return {
    ...(settings.RATE_LIMIT_ADDRESS > 0 ? { byAddress: open("address", settings.RATE_LIMIT_ADDRESS) } : {}),
    ...(settings.RATE_LIMIT_CALLER > 0 ? { byCaller: open("caller", settings.RATE_LIMIT_CALLER) } : {}),
  };
}
