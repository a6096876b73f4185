import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { startEmbeddedPostgres } from "../../src/lifecycle/embedded-postgres.js";
import { acquireInstanceLock } from "../../src/lifecycle/instance-lock.js";
import { findEmbeddedPostgres, readPostgresRecord } from "../../src/lifecycle/postgres-record.js";
import { isProcessAlive, waitForExit } from "../../src/lifecycle/running-process.js";

const compiled = fileURLToPath(new URL("../../dist/src/lifecycle/", import.meta.url));
const quiet = { info: () => undefined, warn: () => undefined };

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Another process that starts the server and then waits to be killed. */
async function startElsewhere(dataDir: string): Promise<{ holder: ChildProcess; url: string }> {
  const program = `
    const { acquireInstanceLock } = await import(${JSON.stringify(`${compiled}instance-lock.js`)});
    const { startEmbeddedPostgres } = await import(${JSON.stringify(`${compiled}embedded-postgres.js`)});
    acquireInstanceLock(process.argv[1]);
    const logger = { info() {}, warn() {} };
    const server = await startEmbeddedPostgres({ dataDir: process.argv[1], logger });
    console.log(server.url);
    setInterval(() => undefined, 1000);
  `;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", program, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    holder.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    holder.once("exit", () => reject(new Error("the holder ended before its server was ready")));
  });
  return { holder, url };
}

async function killHard(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

describe("embedded PostgreSQL", () => {
  let dataDir: string;
  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), "headrace-pg-"));
    rmSync(dataDir, { recursive: true });
    mkdirSync(dataDir, { mode: 0o755 });
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it("starts, keeps its data and its port over a restart, and leaves nothing running", async () => {
    const first = await startEmbeddedPostgres({ dataDir, logger: quiet });
    const [durable] = (await query(first.url, "SHOW fsync")) as { fsync: string }[];
    expect(durable?.fsync).toBe("on");
    await query(first.url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    expect(await findEmbeddedPostgres(dataDir)).toBe(first.url);
    const { pid, port } = readPostgresRecord(dataDir) ?? { pid: 0, port: 0 };
    await first.stop();
    expect(isProcessAlive(pid)).toBe(false);
    expect(await findEmbeddedPostgres(dataDir)).toBeUndefined();

    const second = await startEmbeddedPostgres({ dataDir, logger: quiet });
    expect(readPostgresRecord(dataDir)?.port).toBe(port);
    expect(await query(second.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
    await second.stop();
  });

  it("asks for its password, keeps it readable by its owner alone, and listens on loopback only", async () => {
    const server = await startEmbeddedPostgres({ dataDir, logger: quiet });
    try {
      const wrong = new URL(server.url);
      wrong.password = "wrong";
      await expect(query(wrong.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
      expect(statSync(join(dataDir, "postgres-password")).mode & 0o777).toBe(0o600);
      const [listening] = (await query(server.url, "SHOW listen_addresses")) as {
        listen_addresses: string;
      }[];
      expect(listening?.listen_addresses).toBe("127.0.0.1");
    } finally {
      await server.stop();
    }
  });

  it("ends by itself when its Headrace is killed, and the next start has what was committed", async () => {
    const { holder, url } = await startElsewhere(dataDir);
    await query(url, "CREATE TABLE committed (n int); INSERT INTO committed VALUES (1)");
    const pid = readPostgresRecord(dataDir)?.pid ?? 0;
    await killHard(holder);
    expect(await waitForExit(pid, 10_000)).toBe(true);
    const lock = acquireInstanceLock(dataDir); // the dead process's lock is no obstacle
    const again = await startEmbeddedPostgres({ dataDir, logger: quiet });
    expect(await query(again.url, "SELECT n FROM committed")).toEqual([{ n: 1 }]);
    await again.stop();
    lock.release();
  });

  it("recovers from a kill -9 of the server itself", async () => {
    const first = await startEmbeddedPostgres({ dataDir, logger: quiet });
    await query(first.url, "CREATE TABLE crashed (n int); INSERT INTO crashed VALUES (2)");
    const pid = readPostgresRecord(dataDir)?.pid ?? 0;
    process.kill(pid, "SIGKILL");
    await first.ended;
    const second = await startEmbeddedPostgres({ dataDir, logger: quiet });
    expect(await query(second.url, "SELECT n FROM crashed")).toEqual([{ n: 2 }]);
    await second.stop();
  });

  it("stops a server that is still running before it starts its own", async () => {
    const orphan = await startEmbeddedPostgres({ dataDir, logger: quiet });
    const pid = readPostgresRecord(dataDir)?.pid ?? 0;
    const own = await startEmbeddedPostgres({ dataDir, logger: quiet });
    expect(isProcessAlive(pid)).toBe(false);
    await query(own.url, "SELECT 1");
    await own.stop();
    await orphan.stop();
  });

  it("is not fooled by a process id that was given to another program", async () => {
    const home = readPostgresRecord(dataDir)?.clusterFolder ?? "";
    writeFileSync(join(home, "postmaster.pid"), `${process.pid}\n${home}\n`);
    const server = await startEmbeddedPostgres({ dataDir, logger: quiet });
    await query(server.url, "SELECT 1");
    await server.stop();
  });

  it("says who holds the data folder", async () => {
    const { holder } = await startElsewhere(dataDir);
    const pid = readPostgresRecord(dataDir)?.pid ?? 0;
    expect(() => acquireInstanceLock(dataDir)).toThrow(
      `already running on ${dataDir} (process ${holder.pid}`,
    );
    await killHard(holder);
    await waitForExit(pid, 10_000);
  });

  it("explains a lost password file", async () => {
    const password = readFileSync(join(dataDir, "postgres-password"));
    rmSync(join(dataDir, "postgres-password"));
    await expect(startEmbeddedPostgres({ dataDir, logger: quiet })).rejects.toThrow("password file is gone");
    writeFileSync(join(dataDir, "postgres-password"), password, { mode: 0o600 });
  });
});

describe("embedded PostgreSQL under a folder that only its owner may enter", () => {
  it("is kept where its user can reach it: there, or for root under /var/lib, which is said", async () => {
    const closed = mkdtempSync(join(tmpdir(), "headrace-closed-"));
    const warnings: string[] = [];
    const logger = { info: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
    const server = await startEmbeddedPostgres({ dataDir: join(closed, "data"), logger });
    try {
      await query(server.url, "SELECT 1");
      if (process.getuid?.() === 0) {
        expect(server.folder).toMatch(/^\/var\/lib\/headrace-[0-9a-f]{12}\/cluster$/);
        expect(warnings.join()).toContain("/var/lib/headrace-");
      } else {
        expect(server.folder).toBe(join(closed, "data", "postgres", "cluster"));
        expect(warnings).toEqual([]);
      }
    } finally {
      await server.stop();
      rmSync(join(server.folder, ".."), { recursive: true, force: true });
      rmSync(closed, { recursive: true, force: true });
    }
    expect(existsSync(server.folder)).toBe(false);
  });
});
