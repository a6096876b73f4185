import type { Knex } from "knex";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { ArtifactFiles } from "../artifacts/artifact-files.js";
import type { AuditLog } from "../audit/audit-log.js";
import { removeOldUsage } from "../llm-spending/llm-usage.js";
import { removeOldRunStats } from "../run-stats/roll-run-stats.js";
import { dropMonth, listOverdueMonths } from "./drop-month.js";
import {
  emptyDefaultPartitions,
  firstIdToKeep,
  forgetCachedResults,
  removeArtifacts,
  removeBulkOperations,
  removeFiles,
} from "./remove-leftovers.js";

/** What retention needs. */
export interface RetentionDeps {
  readonly knex: Knex;
  readonly files: ArtifactFiles;
  readonly audit: AuditLog;
  readonly logger: Logger;
  /** The setting `RETENTION_DAYS`. */
  readonly days: number;
}

/** What one pass removed. */
export interface RetentionReport {
  readonly months: number;
  readonly runs: number;
  readonly artifacts: number;
  readonly files: number;
}

/** Lets go of what is old. */
export interface Retention {
  /**
   * One pass: whole months of runs first, then what was theirs alone. Every part may be cut off and is taken up by the
   * next pass; a month whose tables stay busy does not hold up the others.
   * @throws when the signal is aborted, or the database or the disk fails.
   */
  apply(signal: AbortSignal): Promise<RetentionReport>;
}

/** Makes it over a database and the folder of the artifacts. */
export function createRetention(deps: RetentionDeps): Retention {
  const { knex, files, days, logger } = deps;

  async function dropMonths(signal: AbortSignal): Promise<Pick<RetentionReport, "months" | "runs">> {
    const sum = { months: 0, runs: 0 };
    for (const month of await listOverdueMonths(knex, days)) {
      try {
        const dropped = await dropMonth(deps, month, signal);
        if (!dropped) continue;
        logger.info({ month, ...dropped }, "runs of an old month removed");
        sum.months += 1;
        sum.runs += dropped.removed;
      } catch (error) {
        if (signal.aborted) throw toError(error);
        logger.warn({ err: error, month }, "runs of an old month not removed; the next pass tries again");
      }
    }
    return sum;
  }

  return {
    async apply(signal) {
      const dropped = await dropMonths(signal);
      const firstKept = await firstIdToKeep(knex, days);
      await emptyDefaultPartitions(knex, days, firstKept, signal);
      await forgetCachedResults(knex, firstKept);
      await removeBulkOperations(knex, days, signal);
      await removeOldUsage(knex, days, signal);
      await removeOldRunStats(knex, days, signal);
      const artifacts = await removeArtifacts(knex, firstKept, signal);
      return { ...dropped, artifacts, files: await removeFiles(knex, files, signal) };
    },
  };
}
