import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import mysql from "mysql2/promise";
import { findFreePort } from "./find-free-port.js";
import type { Requirement } from "./requirements.js";

/** The server program, for the connector of MySQL. */
export const mariadbServer: Requirement = {
  name: "MariaDB",
  isMet: existsSync("/usr/sbin/mariadbd"),
  supply: "apt-get install mariadb-server",
};

/** A MariaDB server of one test file's own. */
export interface OwnMariadb {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Runs statements as the owner of everything. */
  run(...statements: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one on a free port of loopback, in a folder of its own. */
export async function startOwnMariadb(): Promise<OwnMariadb> {
  const folder = mkdtempSync(join(tmpdir(), "headrace-mariadb-"));
  chmodSync(folder, 0o700);
  const { username } = userInfo();
  const shared = ["--no-defaults", `--datadir=${join(folder, "data")}`, `--user=${username}`];
  const made = spawnSync("mariadb-install-db", [
    ...shared,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ]);
  if (made.status !== 0) throw new Error(String(made.stderr));
  const port = await findFreePort();
  const socket = join(folder, "socket");
  const options = [
    `--port=${port}`,
    "--bind-address=127.0.0.1",
    `--socket=${socket}`,
    "--innodb-buffer-pool-size=32M",
  ];
  const child = spawn("/usr/sbin/mariadbd", [...shared, ...options], { stdio: "ignore" });
  const run = async (...statements: string[]) => {
    const connection = await mysql.createConnection({ socketPath: socket, user: "root" });
    for (const statement of statements) await connection.query(statement);
    await connection.end();
  };
  await waitUntilReady(run);
  const [user, password] = ["reader", "p@ss word!"];
  await run(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`, `GRANT ALL ON *.* TO '${user}'@'%'`);
  return {
    port,
    user,
    password,
    run,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function waitUntilReady(run: (statement: string) => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + 40_000; ; await sleep(100)) {
    try {
      await run("SELECT 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
