import type { Knex } from "knex";
import type { Logger } from "../../observability/logger.js";

/** Steps of one workflow that may wait in one worker group before the next ones stand back. */
export const SLICE = 100;
/** Backlogs are looked at so often at most, and never for more than a twentieth of the time. */
const LOOK_AGAIN_MS = 250;
const LOOK_SHARE = 20;
/** What was seen is believed for so long. */
const FRESH_MS = 3000;
/** More is not counted: the lowest level is reached long before. */
const MOST_COUNTED = 250_000;

/** The dependencies of dispatch levels. */
export interface DispatchLevelDeps {
  readonly knex: Knex;
  readonly logger: Logger;
}

/** Gives each step of one commit its level, in their order. */
export type LevelOf = (workflow: string, workerGroup: string) => number;

/**
 * Fairness between workflows (ADR 0010): the first {@link SLICE} steps of a workflow that wait for a worker group are at
 * level 0, the next at level 1, and so on; lower levels go first. Backlogs are read from PostgreSQL beside the
 * dispatches, never before one, and not at all where little is dispatched.
 */
export function createDispatchLevels({ knex, logger }: DispatchLevelDeps) {
  let backlogs: ReadonlyMap<string, number> = new Map();
  let dispatched = 0;
  let seenAt = Number.NEGATIVE_INFINITY;
  let lookAgainAt = 0;
  let isLooking = false;

  async function look(): Promise<void> {
    const startedAt = performance.now();
    const { rows } = await knex.raw<{ rows: { key: string; count: number }[] }>(
      `SELECT key, count(*)::int AS count FROM (
         SELECT s.worker_group || ' ' || coalesce(r.workflow_id, r.workflow_version_id)::text AS key
         FROM step_runs s JOIN workflow_runs r ON r.id = s.run_id WHERE s.status = 'queued' LIMIT ${MOST_COUNTED}
       ) AS queued GROUP BY key HAVING count(*) >= ${SLICE}`,
    );
    const now = performance.now();
    backlogs = new Map(rows.map(({ key, count }) => [key, count]));
    seenAt = now;
    dispatched = 0;
    lookAgainAt = now + Math.max(LOOK_AGAIN_MS, (now - startedAt) * LOOK_SHARE);
  }

  function lookSoon(): void {
    if (isLooking || performance.now() < lookAgainAt) return;
    isLooking = true;
    look()
      .catch((error: unknown) => {
        lookAgainAt = performance.now() + FRESH_MS;
        logger.debug({ err: error }, "backlogs not counted");
      })
      .finally(() => {
        isLooking = false;
      });
  }

  return {
    /** For the steps of one commit; waits for nothing. */
    begin(): LevelOf {
      const known = performance.now() - seenAt < FRESH_MS ? backlogs : undefined;
      const own = new Map<string, number>();
      return (workflow, workerGroup) => {
        const key = `${workerGroup} ${workflow}`;
        const count = own.get(key) ?? known?.get(key) ?? 0;
        own.set(key, count + 1);
        dispatched += 1;
        if (dispatched >= SLICE) lookSoon();
        return Math.floor(count / SLICE);
      };
    },
  };
}

/** See {@link createDispatchLevels}. */
export type DispatchLevels = ReturnType<typeof createDispatchLevels>;
