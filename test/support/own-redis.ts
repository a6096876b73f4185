import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { findFreePort } from "./find-free-port.js";

/** A Redis server of one test file's own, without persistence: killing it loses everything. */
export interface OwnRedis {
  readonly url: string;
  /** Ends the server as a power cut would. */
  kill(): Promise<void>;
  /** `FLUSHALL`. */
  flush(): Promise<void>;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  /** Kills it and removes its folder; call in `afterAll`. */
  stop(): Promise<void>;
}

/** Starts a Redis server on a free port. Extra arguments are options of `redis-server`. */
export async function startOwnRedis(extraArguments: readonly string[] = []): Promise<OwnRedis> {
  const port = await findFreePort();
  const folder = mkdtempSync(join(tmpdir(), "headrace-redis-"));
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const options = [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--dir",
      folder,
      "--save",
      "",
      "--appendonly",
      "no",
    ];
    child = spawn("redis-server", [...options, ...extraArguments], { stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      child?.stdout?.on("data", (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.includes("Ready to accept connections")) resolve();
      });
      child?.once("exit", () => reject(new Error(`redis-server ended: ${printed}`)));
      child?.once("error", reject);
    });
  }

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    async flush() {
      const client = new Redis({ port, host: "127.0.0.1", maxRetriesPerRequest: 1 });
      client.on("error", () => undefined);
      try {
        await client.flushall();
      } finally {
        client.disconnect();
      }
    },
    async stop() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
