import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/lifecycle/embedded-postgres.js";
import { waitForExit } from "../../src/lifecycle/running-process.js";

/** A PostgreSQL server of one test's own, which may be taken away and brought back on the same port. */
export interface OwnPostgres {
  readonly url: string;
  /** An empty database; returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends the server as `pg_ctl stop -m immediate` does: no checkpoint, connections are cut. */
  crash(): Promise<void>;
  /** Starts it again; it recovers from its log. */
  start(): Promise<void>;
  /** Ends it and removes its data; call in `afterAll`. */
  stop(): Promise<void>;
}

const logger = { info: () => undefined, warn: () => undefined };

/** Starts a PostgreSQL server in a new folder. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), "headrace-postgres-"));
  chmodSync(dataDir, 0o711); // PostgreSQL's own user must get in
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir, logger });
  const { url } = server;
  return {
    url,
    async createDatabase(name) {
      const admin = new pg.Client({ connectionString: url });
      await admin.connect();
      await admin.query(`CREATE DATABASE ${name}`);
      await admin.end();
      const own = new URL(url);
      own.pathname = `/${name}`;
      return own.href;
    },
    async crash() {
      const pid = Number.parseInt(readFileSync(join(server.folder, "postmaster.pid"), "utf8"), 10);
      process.kill(pid, "SIGQUIT");
      await server.ended;
      if (!(await waitForExit(pid, 10_000))) throw new Error("PostgreSQL does not end");
    },
    async start() {
      server = await startEmbeddedPostgres({ dataDir, logger });
      if (server.url !== url) throw new Error("PostgreSQL's port was taken meanwhile");
    },
    async stop() {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
