import type { NextFunction, Request, Response } from "express";
import type { Actor } from "../core/actor.js";
import type { AppError } from "../errors/app-error.js";
import { toAddressKey } from "../services/limits/address-key.js";
import { tooMany } from "../services/limits/count-or-refuse.js";
import type { LimitVerdict, RequestLimiter } from "../services/limits/request-limiter.js";
import { contextOf } from "./request-context.js";

/** The limits of an API; one that is left out does not hold. */
export interface RequestLimits {
  /** By the address that a request comes from. */
  readonly byAddress?: RequestLimiter | undefined;
  /** By who asks: each person, and each API key by itself. */
  readonly byCaller?: RequestLimiter | undefined;
}

/** Probes are never refused: a load balancer would take the process for a sick one. */
const UNLIMITED = new Set(["/health/live", "/health/ready"]);

/** Counts every request by its address, before anything else is done for it. */
export function createAddressLimit(limiter: RequestLimiter | undefined) {
  return (request: Request, response: Response, next: NextFunction): void | Promise<void> => {
    if (!limiter || UNLIMITED.has(request.path)) return next();
    const verdict = limiter.take(toAddressKey(contextOf(request).origin.address));
    // no promise on the way of most requests
    if (!(verdict instanceof Promise)) return next(judge(verdict, response));
    return verdict.then((late) => next(judge(late, response)));
  };
}

/** Counts a request by who asks. @throws AppError TOO_MANY_REQUESTS with Retry-After */
export async function assertCallerMayAsk(
  limiter: RequestLimiter | undefined,
  actor: Actor,
  response: Response,
): Promise<void> {
  if (!limiter) return;
  const fault = judge(await limiter.take(keyOf(actor)), response);
  if (fault) throw fault;
}

/**
 * Counts what comes in one post but is several requests: each beyond the first, which was counted as the post.
 * @throws AppError TOO_MANY_REQUESTS with Retry-After, once the limit is reached
 */
export async function assertCallerMaySend(
  limiter: RequestLimiter | undefined,
  actor: Actor,
  count: number,
): Promise<void> {
  for (let further = 1; limiter && further < count; further += 1) {
    const fault = refusalOf(await limiter.take(keyOf(actor)));
    if (fault) throw fault;
  }
}

/** Counts a request that Express never sees. @throws AppError TOO_MANY_REQUESTS with Retry-After */
export async function assertAddressMayAsk(
  limiter: RequestLimiter | undefined,
  address: string | null,
): Promise<void> {
  const fault = limiter && refusalOf(await limiter.take(toAddressKey(address)));
  if (fault) throw fault;
}

function keyOf(actor: Actor): string {
  return actor.apiKeyId === undefined ? `user ${actor.userId}` : `key ${actor.apiKeyId}`;
}

function judge(verdict: LimitVerdict, response: Response): AppError | undefined {
  response.setHeader("RateLimit-Limit", verdict.limit);
  response.setHeader("RateLimit-Remaining", verdict.remaining);
  response.setHeader("RateLimit-Reset", verdict.resetSeconds);
  return refusalOf(verdict);
}

function refusalOf({ isAllowed, limit, resetSeconds }: LimitVerdict): AppError | undefined {
  return isAllowed ? undefined : tooMany(`At most ${limit} requests a minute`, resetSeconds);
}
