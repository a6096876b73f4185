import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** A Redis server of the benchmark's own. */
export interface BenchRedis {
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 15_000;

/** Ends the server when the pipe from us closes without a word: when we are killed. */
const GUARDED_START = '( (read -r word <&3 || kill -TERM "$$") >/dev/null 2>&1 & ); exec "$@" 3<&-';

/**
 * Starts `redis-server` on a free port, as one would run it for Headrace: append-only file, synced every second,
 * and nothing evicted.
 * @throws Error when there is no `redis-server`, or it does not start.
 */
export async function startBenchRedis(folder: string): Promise<BenchRedis> {
  const data = join(folder, "redis");
  mkdirSync(data);
  const port = await findFreePort();
  const child = spawn(
    "/bin/sh",
    ["-c", GUARDED_START, "sh", "redis-server", ...serverArguments(port, data)],
    {
      stdio: ["ignore", "ignore", 2, "pipe"],
      detached: true,
    },
  );
  const guard = child.stdio[3] as Writable;
  guard.on("error", () => undefined); // the guard may be gone before us; nothing depends on the pipe
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => {
      guard.end("ok\n");
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const killer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(killer);
  };
  const url = `redis://127.0.0.1:${port}`;
  try {
    const version = await untilReady(url, () => child.exitCode !== null);
    return { url, pid: child.pid ?? 0, version, stop };
  } catch (error) {
    await stop();
    throw new Error("redis-server does not start (is it installed? apt-get install redis-server)", {
      cause: error,
    });
  }
}

function serverArguments(port: number, folder: string): string[] {
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    appendonly: "yes",
    appendfsync: "everysec",
    "maxmemory-policy": "noeviction",
    logfile: "redis.log",
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function untilReady(url: string, hasEnded: () => boolean): Promise<string> {
  const deadline = Date.now() + START_LIMIT_MS;
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
  client.on("error", () => undefined); // the connect below reports it
  try {
    for (;;) {
      if (hasEnded()) throw new Error("it ended at once");
      try {
        await client.connect();
        const info = await client.info("server");
        return /redis_version:(\S+)/.exec(info)?.[1] ?? "unknown";
      } catch (error) {
        if (Date.now() >= deadline) throw error;
      }
      await sleep(50);
    }
  } finally {
    client.disconnect();
  }
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ port: 0, host: "127.0.0.1" }, () => {
      const address = probe.address();
      const port = typeof address === "object" && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
