import type { Knex } from "knex";
import type { StepJob } from "../../contracts/step-job.js";
import type { StepTarget } from "../../core/plan.js";

/** How many steps of a component may start within so many seconds. */
export interface StepRate {
  readonly limit: number;
  readonly seconds: number;
}

/**
 * Says in how many milliseconds an attempt should ask again; 0: it may start now. Asked before the claim; a grant
 * that no claim follows is lost, which makes the component a little slower and nothing else.
 */
export interface StepThrottle {
  (target: StepTarget, job: StepJob): Promise<number>;
  /** Whether a target was found to have no limit within the last five seconds. Reads nothing. */
  isUnthrottled(target: StepTarget): boolean;
}

interface KnownRate {
  readonly reading: Promise<{ readonly definitionId: string; readonly rate: StepRate | null }>;
  readonly readAtMs: number;
  /** Read, and there is no limit. */
  isUnlimited: boolean;
  /** When those who were told to wait will come again, on this process's own clock. */
  waiting: number[];
}

/** A changed limit is in force after this long. */
const FRESH_MS = 5000;
const MOST_KNOWN = 1000;
/** Nobody is told to wait longer past the first free moment: those before it may have been canceled. */
const LONGEST_SPREAD_MS = 30_000;

/**
 * The throttle of components with a `rateLimit`, over all workers: starts are rows in PostgreSQL, counted under a
 * lock by its clock. A component without one costs one read every five seconds.
 */
export function createStepThrottle(deps: { readonly knex: Knex }): StepThrottle {
  const rates = new Map<string, KnownRate>();

  async function read(mcpVersionId: string): Promise<Awaited<KnownRate["reading"]>> {
    const row = await deps
      .knex("mcp_versions as version")
      .join("mcp_definitions as definition", "definition.id", "version.mcp_definition_id")
      .first("definition.id", "definition.rate_limit")
      .where("version.id", mcpVersionId);
    return { definitionId: row?.id ?? "", rate: row?.rate_limit ?? null };
  }

  /** Calls at the same moment share one read, and one list of who waits. */
  function rateOf(mcpVersionId: string): KnownRate {
    const known = rates.get(mcpVersionId);
    const now = performance.now();
    if (known && now - known.readAtMs < FRESH_MS) return known;
    const waiting = known?.waiting ?? [];
    const fresh: KnownRate = { reading: read(mcpVersionId), readAtMs: now, isUnlimited: false, waiting };
    rates.delete(mcpVersionId);
    rates.set(mcpVersionId, fresh);
    fresh.reading.catch(() => rates.delete(mcpVersionId));
    const [oldest] = rates.keys();
    if (rates.size > MOST_KNOWN && oldest !== undefined) rates.delete(oldest);
    return fresh;
  }

  async function throttle(target: StepTarget): Promise<number> {
    if (target.kind !== "mcp") return 0;
    const known = rateOf(target.mcpVersionId);
    const { definitionId, rate } = await known.reading;
    known.isUnlimited = rate === null;
    if (!rate) return 0;
    const { rows } = await deps.knex.raw<{ rows: { wait_ms: number }[] }>(
      "SELECT grant_step(?, ?, ?) AS wait_ms",
      [definitionId, rate.limit, rate.seconds],
    );
    const waitMs = rows[0]?.wait_ms ?? 0;
    return waitMs === 0 ? 0 : waitMs + spreadMs(known, rate, waitMs);
  }

  return Object.assign(throttle, {
    isUnthrottled(target: StepTarget): boolean {
      if (target.kind !== "mcp") return true;
      const known = rates.get(target.mcpVersionId);
      return known !== undefined && known.isUnlimited && performance.now() - known.readAtMs < FRESH_MS;
    },
  });
}

/** Spreads those who wait over the windows to come, so that a thousand of them do not all ask at once, again and again. */
function spreadMs(known: KnownRate, { limit, seconds }: StepRate, waitMs: number): number {
  const now = performance.now();
  known.waiting = known.waiting.filter((at) => at > now);
  const windowsAhead = Math.floor(known.waiting.length / limit);
  const spread = Math.min(windowsAhead * seconds * 1000, LONGEST_SPREAD_MS);
  known.waiting.push(now + waitMs + spread);
  return spread;
}

/** Removes grants that no window can count any more. */
export async function tidyStepGrants(knex: Knex): Promise<void> {
  await knex("step_grants").whereRaw("granted_at < now() - interval '1 day'").delete();
}
