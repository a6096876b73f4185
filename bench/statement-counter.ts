import { withClient } from "./bench-postgres.js";

/** What some runs asked of PostgreSQL. */
export interface StatementCount {
  /** Without BEGIN, COMMIT and SET. Undefined where the server does not count statements. */
  readonly statements: number | undefined;
  readonly transactions: number;
  /** The statements that took most time. */
  readonly heaviest: readonly StatementTime[];
}

/** One statement and what it cost the server. */
export interface StatementTime {
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
}

/** Marks the driver's own reads of statuses, which are no cost of a run. */
export const DRIVER_MARK = "bench_status";

/** Long enough for the server to gather what its backends counted. */
const SETTLE_MS = 1100;
const HEAVIEST = 12;

/** How long the background is watched. */
const BACKGROUND_MS = 3000;

/**
 * Counts what a piece of work asks of a database. What the processes do on their own meanwhile (heartbeats,
 * housekeeping) is measured before, by the second, and taken off.
 */
export async function countStatements(
  database: { readonly url: string; readonly hasStatementStatistics: boolean },
  work: () => Promise<void>,
): Promise<StatementCount> {
  const counts: StatementCount[] = [];
  await withClient(database.url, async (client) => {
    const setTracking = async (value: string): Promise<void> => {
      if (!database.hasStatementStatistics) return;
      await client.query(`ALTER SYSTEM SET pg_stat_statements.track = '${value}'`);
      await client.query("SELECT pg_reload_conf()");
      await pause(SETTLE_MS);
    };
    const readTransactions = async (): Promise<number> => {
      const result = await client.query<{ count: string }>(
        "SELECT xact_commit::text AS count FROM pg_stat_database WHERE datname = current_database()",
      );
      return Number(result.rows[0]?.count);
    };
    const readDriverCalls = async (): Promise<number> => {
      if (!database.hasStatementStatistics) return 0;
      const result = await client.query<{ calls: string }>(READ_DRIVER_CALLS);
      return Number(result.rows[0]?.calls);
    };
    const count = async (counted: () => Promise<void>): Promise<StatementCount & { seconds: number }> => {
      if (database.hasStatementStatistics) await client.query("SELECT pg_stat_statements_reset()");
      const before = await readTransactions();
      const startedAt = Date.now();
      await counted();
      await pause(SETTLE_MS);
      // each read of a status was a transaction of its own
      const transactions = (await readTransactions()) - before - (await readDriverCalls());
      const rows = database.hasStatementStatistics
        ? (await client.query<StatementRow>(READ_STATEMENTS)).rows
        : undefined;
      return {
        seconds: (Date.now() - startedAt) / 1000,
        transactions,
        statements: rows?.reduce((sum, row) => sum + Number(row.calls), 0),
        heaviest: (rows ?? []).slice(0, HEAVIEST).map(toStatementTime),
      };
    };
    await setTracking("top");
    const background = await count(() => pause(BACKGROUND_MS));
    const total = await count(work);
    const share = total.seconds / background.seconds;
    await setTracking("none");
    counts.push({
      transactions: Math.max(0, total.transactions - background.transactions * share),
      statements:
        total.statements === undefined
          ? undefined
          : Math.max(0, total.statements - (background.statements ?? 0) * share),
      heaviest: total.heaviest,
    });
  });
  return counts[0] as StatementCount;
}

interface StatementRow {
  readonly query: string;
  readonly calls: string;
  readonly total_ms: number;
}

function toStatementTime(row: StatementRow): StatementTime {
  return {
    text: row.query.replaceAll(/\s+/g, " ").slice(0, 110),
    calls: Number(row.calls),
    totalMs: row.total_ms,
  };
}

const READ_STATEMENTS = `
  SELECT query, calls::text, total_exec_time AS total_ms FROM pg_stat_statements
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND query !~* '^\\s*(BEGIN|COMMIT|ROLLBACK|SET|SHOW|ALTER)'
    AND query NOT LIKE '%${DRIVER_MARK}%' AND query NOT LIKE '%pg_stat_%' AND query NOT LIKE '%pg_reload_conf%'
  ORDER BY total_exec_time DESC`;

const READ_DRIVER_CALLS = `
  SELECT coalesce(sum(calls), 0)::text AS calls FROM pg_stat_statements
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND query LIKE '%${DRIVER_MARK}%' AND query NOT LIKE '%pg_stat_%'`;

async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs));
}
