// The real services that tests run against: what the environment gives, else what this machine can start.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A PostgreSQL server: TEST_DATABASE_URL or DATABASE_URL (tests make databases of their own there), else an embedded one of our own. */
export async function providePostgres() {
  const given = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL;
  if (given) return { url: given, stop: async () => undefined };
  const { startEmbeddedPostgres } = await import("../dist/src/lifecycle/embedded-postgres.js");
  const folder = mkdtempSync(join(tmpdir(), "headrace-test-"));
  chmodSync(folder, 0o711); // PostgreSQL's user must get in
  const logger = { info: () => undefined, warn: (_, message) => console.error(message) };
  const server = await startEmbeddedPostgres({ dataDir: folder, logger });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A Redis server: TEST_REDIS_URL or REDIS_URL (tests keep to prefixes of their own), else one of our own; undefined where there is no redis-server. */
export async function provideRedis() {
  const given = process.env.TEST_REDIS_URL ?? process.env.REDIS_URL;
  if (given) return { url: given, stop: async () => undefined };
  if (spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "headrace-redis-"));
  const port = await freePort();
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"];
  // the guard ends the server when we are killed: its pipe to us closes
  const guarded = '( (read -r word <&3 || kill -TERM "$$") >/dev/null 2>&1 & )\nexec redis-server "$@" 3<&-';
  const child = spawn("/bin/sh", ["-c", guarded, "sh", ...args.map(String)], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    detached: true, // Ctrl-C is ours to handle
  });
  child.stdio[3].on("error", () => undefined);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (!(await accepts(port))) throw new Error("redis-server did not start in 10 s");
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      child.stdio[3].end("ok\n", () => child.stdio[3].destroy());
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepts(port) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50)) {
    const isOpen = await new Promise((resolve) => {
      const socket = createConnection({ port, host: "127.0.0.1" });
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (isOpen) return true;
  }
  return false;
}
