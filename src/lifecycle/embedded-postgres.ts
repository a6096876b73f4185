import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  fchownSync,
  fchmodSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { locatePostgresBinaries, type PostgresBinaries } from "./postgres-binaries.js";
import { type ClusterPlace, ensureCluster, placeCluster } from "./postgres-cluster.js";
import {
  EMBEDDED_DATABASE,
  embeddedUrl,
  isServerOf,
  readPostgresRecord,
  writePostgresRecord,
} from "./postgres-record.js";
import { BARE_ENVIRONMENT } from "./run-tool.js";
import { waitForExit } from "./running-process.js";
import { StartupError } from "./startup-error.js";
import { findDatabaseAccount, type SystemAccount } from "./system-account.js";

/** What the embedded server says while it starts. */
export interface LifecycleLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** A running PostgreSQL of our own. */
export interface EmbeddedPostgres {
  /** Connection string of the database `headrace`, password included. */
  readonly url: string;
  readonly version: string;
  /** Folder of the cluster. */
  readonly folder: string;
  /** Settles when the server's process has ended, asked for or not. */
  readonly ended: Promise<void>;
  /** Ends the server as PostgreSQL's "fast" shutdown does; safe to call twice. */
  stop(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;

/**
 * Starts a real PostgreSQL whose data lie under `dataDir`. It listens on loopback only, on a free port that is
 * remembered, asks for a random password, writes durably (fsync), and ends itself when this process dies.
 * Left-overs of a killed start are dealt with. The caller holds the data folder's {@link acquireInstanceLock}.
 * @throws StartupError in words an operator can act on.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  logger: LifecycleLogger;
}): Promise<EmbeddedPostgres> {
  mkdirSync(options.dataDir, { recursive: true });
  const account = await findDatabaseAccount();
  const binaries = await locatePostgresBinaries(account);
  const place = placeCluster(options.dataDir, account);
  // said when the place is chosen, not at each start
  if (place.movedBecause && !existsSync(place.cluster))
    options.logger.warn({ folder: place.home }, place.movedBecause);
  await endLeftOver(place, options.logger);
  const password = await ensureCluster({ dataDir: options.dataDir, place, binaries, account });
  const remembered = readPostgresRecord(options.dataDir)?.port;
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort(attempt === 1 ? remembered : undefined);
    const server = launch({ place, binaries, account, port });
    try {
      await untilReady(server, embeddedUrl(port, password, "postgres"));
    } catch (error) {
      await server.stop();
      if (attempt < 4 && isWorthAnotherTry(place)) {
        await sleep(attempt * 1000);
        continue;
      }
      throw new StartupError(
        `The embedded PostgreSQL did not start (${(error as Error).message}). Its log: ${place.logFile}`,
        { cause: error },
      );
    }
    writePostgresRecord(options.dataDir, {
      pid: server.pid,
      port,
      clusterFolder: place.cluster,
      since: new Date().toISOString(),
    });
    options.logger.info({ port, version: binaries.version }, "embedded PostgreSQL started");
    return {
      url: embeddedUrl(port, password),
      version: binaries.version,
      folder: place.cluster,
      ended: server.ended,
      stop: server.stop,
    };
  }
}

interface Server {
  readonly pid: number;
  readonly ended: Promise<void>;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

/**
 * The shell leaves a guard behind before it becomes PostgreSQL: the guard reads from a pipe whose other end only
 * we hold. "ok" means that all is well; end of file means that we were killed, and then it ends the server.
 */
const GUARDED_START = [
  '( (read -r word <&3 || { sleep 2; kill -INT "$$"; }) >/dev/null 2>&1 & )',
  'exec "$@" 3<&-',
].join("\n");

function launch(options: {
  place: ClusterPlace;
  binaries: PostgresBinaries;
  account: SystemAccount | undefined;
  port: number;
}): Server {
  const { place, account } = options;
  const log = openLog(place, account);
  let child: ChildProcess;
  try {
    child = spawn(
      "/bin/sh",
      [
        "-c",
        GUARDED_START,
        "sh",
        join(options.binaries.folder, "bin", "postgres"),
        ...serverArguments(place, options.port),
      ],
      {
        cwd: "/",
        env: { ...BARE_ENVIRONMENT },
        stdio: ["ignore", log, log, "pipe"],
        // Ctrl-C in the terminal must not reach it before the workers have drained
        detached: true,
        ...(account ? { uid: account.uid, gid: account.gid } : {}),
      },
    );
  } finally {
    closeSync(log);
  }
  return supervise(child);
}

function supervise(child: ChildProcess): Server {
  const guard = child.stdio[3] as Socket;
  guard.on("error", () => undefined); // the guard may be gone before us; nothing depends on the write
  let isOver = false;
  const ended = new Promise<void>((resolve) => {
    const over = (): void => {
      isOver = true;
      // nothing is ever read from it, so its end would go unnoticed and keep this process
      guard.end("ok\n", () => guard.destroy());
      resolve();
    };
    child.once("exit", over);
    child.once("error", over);
  });
  return {
    pid: child.pid ?? 0,
    ended,
    hasEnded: () => isOver,
    async stop() {
      if (isOver || child.pid === undefined) return;
      child.kill("SIGINT");
      if (await settlesWithin(ended, STOP_LIMIT_MS)) return;
      child.kill("SIGQUIT");
      if (await settlesWithin(ended, 5000)) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function serverArguments(place: ClusterPlace, port: number): string[] {
  const settings = {
    listen_addresses: "127.0.0.1",
    port,
    // no socket file: /tmp may not be writable, and a password over loopback is enough
    unix_socket_directories: "",
    max_connections: 200,
    password_encryption: "scram-sha-256",
    fsync: "on",
    wal_level: "minimal",
    max_wal_senders: 0,
    timezone: "UTC",
    log_timezone: "UTC",
    log_min_messages: "warning",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["-D", place.cluster, ...flags];
}

const LARGEST_LOG = 10 * 1024 * 1024;

function openLog(place: ClusterPlace, account: SystemAccount | undefined): number {
  if (existsSync(place.logFile) && statSync(place.logFile).size > LARGEST_LOG) rmSync(place.logFile);
  const log = openSync(place.logFile, "a");
  if (account) fchownSync(log, account.uid, account.gid);
  fchmodSync(log, 0o600);
  return log;
}

/** Ready is: it takes a connection with our password, and our database is there. */
async function untilReady(server: Server, url: string): Promise<void> {
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    if (server.hasEnded()) throw new Error("it ended at once");
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    client.on("error", () => undefined); // reported by the query below
    try {
      await client.connect();
      const known = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [EMBEDDED_DATABASE]);
      if (known.rowCount === 0) await client.query(`CREATE DATABASE ${EMBEDDED_DATABASE}`);
      return;
    } catch (error) {
      const { code } = error as { code?: string };
      // refused or "starting up": not yet; anything else will not mend itself
      if (code !== "ECONNREFUSED" && code !== "57P03") throw error;
      if (Date.now() >= deadline) throw new Error("it was not ready in 60 s", { cause: error });
    } finally {
      await client.end().catch(() => undefined); // never connected
    }
    await sleep(50);
  }
}

/** A server of this cluster whose Headrace was killed is stopped; a lock file that names another program goes. */
async function endLeftOver(place: ClusterPlace, logger: LifecycleLogger): Promise<void> {
  const pidFile = join(place.cluster, "postmaster.pid");
  if (!existsSync(pidFile)) return;
  const pid = Number.parseInt(readFileSync(pidFile, "utf8"), 10);
  if (Number.isInteger(pid) && pid > 1 && (await isServerOf(pid, place.cluster))) {
    logger.warn({ pid }, "stopping the PostgreSQL that a killed Headrace left running");
    process.kill(pid, "SIGINT");
    if (!(await waitForExit(pid, STOP_LIMIT_MS))) {
      process.kill(pid, "SIGQUIT");
      if (!(await waitForExit(pid, 5000))) {
        throw new StartupError(
          `A PostgreSQL from an earlier start does not end (process ${pid}). End it and try again.`,
        );
      }
    }
    return;
  }
  // PostgreSQL itself copes with a dead process id, but not with one that was given to another program
  rmSync(pidFile, { force: true });
}

/** Backends that outlive a killed server hold its shared memory for a moment; a port may be taken meanwhile. */
function isWorthAnotherTry(place: ClusterPlace): boolean {
  const tail = readFileSync(place.logFile, "utf8").slice(-4000);
  return /shared memory block|could not bind|Address already in use|could not create any TCP/.test(tail);
}

async function choosePort(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await tryListen(wanted)) !== undefined) return wanted;
  const free = await tryListen(0);
  if (free === undefined) throw new StartupError("No free port on 127.0.0.1 for the embedded PostgreSQL.");
  return free;
}

async function tryListen(port: number): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(undefined));
    probe.listen({ port, host: "127.0.0.1" }, () => {
      const address = probe.address();
      const got = typeof address === "object" && address ? address.port : undefined;
      probe.close(() => resolve(got));
    });
  });
}

async function settlesWithin(promise: Promise<void>, limitMs: number): Promise<boolean> {
  const limit = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(limitMs, false, { signal: limit.signal }).catch(() => false),
    ]);
  } finally {
    limit.abort();
  }
}
