import pg from "pg";

/** What some runs asked of PostgreSQL. */
export interface StatementCount {
  /** Without BEGIN, COMMIT and SET. Undefined where the server does not count statements. */
  readonly statements: number | undefined;
  /** Transactions of more than one statement; all of them, also single reads, where statements are not counted. */
  readonly commits: number;
  /** The statements that took most time, heaviest first. */
  readonly heaviest: readonly StatementTime[];
}

/** One statement and what it cost the server. */
export interface StatementTime {
  readonly text: string;
  readonly calls: number;
  readonly totalMs: number;
}

/** Counts what pieces of work ask of a database. */
export interface StatementCounter {
  count(work: () => Promise<void>): Promise<StatementCount>;
  /** Stops counting, and closes its connection. */
  close(): Promise<void>;
}

/** Marks the driver's own reads of statuses, which are no cost of a run. */
export const DRIVER_MARK = "bench_status";

/** Long enough for every backend to learn of a setting, and to report what it did. */
const SETTLE_MS = 1100;
/** How long the background is watched. */
const BACKGROUND_MS = 4000;
const HEAVIEST = 12;

/**
 * Opens a counter. What the processes do on their own (heartbeats, housekeeping) is measured first, by the second,
 * and taken off each count. Counting costs time: measure nothing else meanwhile.
 */
export async function openStatementCounter(database: {
  readonly url: string;
  readonly hasStatementStatistics: boolean;
}): Promise<StatementCounter> {
  const client = new pg.Client({ connectionString: database.url, connectionTimeoutMillis: 10_000 });
  await client.connect();

  async function setTracking(value: "top" | "none"): Promise<void> {
    if (!database.hasStatementStatistics) return;
    await client.query(`ALTER SYSTEM SET pg_stat_statements.track = '${value}'`);
    await client.query("SELECT pg_reload_conf()");
    await pause(SETTLE_MS);
  }

  async function countAll(work: () => Promise<void>): Promise<Timed> {
    const startedAt = Date.now();
    const counted = database.hasStatementStatistics
      ? await countByStatistics(client, work)
      : await countTransactions(client, work);
    return { ...counted, seconds: (Date.now() - startedAt) / 1000 };
  }

  try {
    await setTracking("top");
    const background = await countAll(() => pause(BACKGROUND_MS));
    return {
      count: async (work) => withoutBackground(await countAll(work), background),
      async close() {
        try {
          await setTracking("none");
        } finally {
          await client.end();
        }
      },
    };
  } catch (error) {
    await client.end();
    throw error;
  }
}

type Timed = StatementCount & { readonly seconds: number };

function withoutBackground(total: Timed, background: Timed): StatementCount {
  const share = total.seconds / background.seconds;
  const net = (count: number, idle: number): number => Math.max(0, count - idle * share);
  return {
    commits: net(total.commits, background.commits),
    statements:
      total.statements === undefined ? undefined : net(total.statements, background.statements ?? 0),
    heaviest: total.heaviest,
  };
}

interface StatementRow {
  readonly query: string;
  readonly calls: string;
  readonly total_ms: number;
}

async function countByStatistics(client: pg.Client, work: () => Promise<void>): Promise<StatementCount> {
  await client.query("SELECT pg_stat_statements_reset()");
  await work();
  const { rows } = await client.query<StatementRow>(READ_STATEMENTS);
  const found = rows.map((row) => ({ text: row.query, calls: Number(row.calls), totalMs: row.total_ms }));
  const statements = found.filter(({ text }) => !CONTROL.test(text));
  const callsOf = (some: readonly StatementTime[]): number => some.reduce((sum, { calls }) => sum + calls, 0);
  return {
    statements: callsOf(statements),
    commits: callsOf(found.filter(({ text }) => /^\s*COMMIT/i.test(text))),
    heaviest: statements
      .slice(0, HEAVIEST)
      .map((statement) => ({ ...statement, text: statement.text.replaceAll(/\s+/g, " ").slice(0, 110) })),
  };
}

const CONTROL = /^\s*(BEGIN|COMMIT|ROLLBACK|SET|SHOW|ALTER)/i;

const READ_STATEMENTS = `
  SELECT query, calls::text, total_exec_time AS total_ms FROM pg_stat_statements
  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND query NOT LIKE '%${DRIVER_MARK}%' AND query NOT LIKE '%pg_stat_%' AND query NOT LIKE '%pg_reload_conf%'
  ORDER BY total_exec_time DESC`;

async function countTransactions(client: pg.Client, work: () => Promise<void>): Promise<StatementCount> {
  const before = await readTransactions(client);
  await work();
  await pause(SETTLE_MS);
  return { statements: undefined, commits: (await readTransactions(client)) - before, heaviest: [] };
}

async function readTransactions(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    "SELECT xact_commit::text AS count FROM pg_stat_database WHERE datname = current_database()",
  );
  return Number(rows[0]?.count);
}

async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs));
}
