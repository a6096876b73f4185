import pg from "pg";
import { AppError, toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";

const CONNECT_LIMIT_MS = 10_000;
const QUERY_LIMIT_MS = 5000;
const END_LIMIT_MS = 2000;
/** A connection that only listens would not notice that its peer is gone. */
const PULSE_MS = 10_000;
const LONGEST_PAUSE_MS = 2000;
const MOST_PENDING = 1000;

type Query = (text: string, values?: readonly unknown[]) => Promise<void>;

/** One connection that is kept open. */
export interface PostgresLine {
  /** @throws AppError NOT_READY while the connection is down, or with too many queries waiting. */
  query: Query;
  isOpen(): boolean;
  /** Resolves when the connection is up. @throws AppError NOT_READY when it is not within `limitMs`. */
  whenOpen(limitMs: number): Promise<void>;
  close(): Promise<void>;
}

/** What a line is opened with. */
export interface PostgresLineDeps {
  readonly databaseUrl: string;
  readonly applicationName: string;
  readonly logger: Logger | undefined;
  /** Runs on each new connection before anybody else uses it. */
  prepare(query: Query): Promise<void>;
  /** Called when a lost connection is back, and prepared. */
  onReopened(): void;
  onNotification(channel: string, payload: string): void;
}

/**
 * Opens one dedicated connection and opens it again whenever it is lost, after 0.1, 0.2, 0.4, … at most 2 s.
 * @throws Error when it cannot be opened the first time.
 */
export async function openPostgresLine(deps: PostgresLineDeps): Promise<PostgresLine> {
  let client: pg.Client | undefined;
  let retryTimer: NodeJS.Timeout | undefined;
  let isClosing = false;
  let failures = 0;
  const takeTurn = createTurns();
  const waiters = new Set<() => void>();

  async function connect(): Promise<void> {
    const fresh = await dial(deps, (lost, error) => lose(lost, error));
    if (isClosing) return await end(fresh, deps.logger);
    client = fresh;
    failures = 0;
    for (const wake of waiters) wake();
  }

  function lose(lost: pg.Client, error: Error): void {
    if (client !== lost) return;
    client = undefined;
    deps.logger?.warn({ err: error }, "connection for live events lost");
    void end(lost, deps.logger);
    scheduleRetry();
  }

  function scheduleRetry(): void {
    if (isClosing) return;
    const pauseMs = Math.min(100 * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
    retryTimer = setTimeout(() => {
      connect().then(deps.onReopened, (error: unknown) => {
        deps.logger?.debug({ err: error }, "connection for live events still away");
        scheduleRetry();
      });
    }, pauseMs);
  }

  await connect();
  const pulse = setInterval(() => {
    const checked = client;
    if (!checked) return;
    // no answer within the query's limit: the connection is given up
    takeTurn(() => run(checked, "SELECT 1")).catch((error: unknown) => lose(checked, toError(error)));
  }, PULSE_MS);

  return {
    async query(text, values) {
      if (!client) throw new AppError("NOT_READY", "The connection for live events is down");
      const open = client;
      await takeTurn(() => run(open, text, values));
    },
    isOpen: () => client !== undefined,
    async whenOpen(limitMs) {
      if (!client) await waitFor(waiters, limitMs);
    },
    async close() {
      isClosing = true;
      clearInterval(pulse);
      clearTimeout(retryTimer);
      const last = client;
      client = undefined;
      if (last) await end(last, deps.logger);
    },
  };
}

/** One query at a time, in order, and only so many waiting. */
function createTurns() {
  let pending = 0;
  let last: Promise<unknown> = Promise.resolve();
  return async function takeTurn(work: () => Promise<void>): Promise<void> {
    if (pending >= MOST_PENDING) throw new AppError("NOT_READY", "Too many live events wait to be sent");
    pending += 1;
    // how the one before ended is its caller's concern
    const turn = last.then(work, work);
    last = turn;
    try {
      await turn;
    } finally {
      pending -= 1;
    }
  };
}

async function dial(
  deps: PostgresLineDeps,
  onLost: (client: pg.Client, error: Error) => void,
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: deps.databaseUrl,
    application_name: deps.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: QUERY_LIMIT_MS,
  });
  client.on("error", (error) => onLost(client, error));
  client.on("end", () => onLost(client, new Error("connection ended")));
  client.on("notification", ({ channel, payload }) => deps.onNotification(channel, payload ?? ""));
  try {
    await client.connect();
    await deps.prepare(async (text, values) => await run(client, text, values));
  } catch (error) {
    await end(client, deps.logger);
    throw error;
  }
  return client;
}

async function run(client: pg.Client, text: string, values?: readonly unknown[]): Promise<void> {
  await client.query(text, values ? [...values] : undefined);
}

/** Says goodbye, but not for longer than 2 s: a peer that is gone never answers. */
async function end(client: pg.Client, logger: Logger | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_LIMIT_MS);
  });
  const ended = client
    .end()
    .catch((error: unknown) => logger?.debug({ err: error }, "closing a lost connection"));
  await Promise.race([ended, overdue]);
  clearTimeout(timer);
}

async function waitFor(waiters: Set<() => void>, limitMs: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const wake = (): void => {
      clearTimeout(timer);
      waiters.delete(wake);
      resolve();
    };
    const timer = setTimeout(() => {
      waiters.delete(wake);
      reject(new AppError("NOT_READY", "The connection for live events is down"));
    }, limitMs);
    waiters.add(wake);
  });
}
