import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { askProcess, withoutWalls } from "../../src/connectors/query-process.js";
import { findConnector } from "../../src/connectors/registry.js";
import type { QueryWalls } from "../../src/connectors/types.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { openQueryWalls } from "../../workers/sandbox/query-walls.js";
import { bubblewrap, describeWith } from "../support/requirements.js";

const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
/** Tries what SQL that has taken over its process would try. */
const PROBE = `
import json, os, socket, sys
folder, port = sys.argv[1], int(sys.argv[2])
def read(path, word=""):
    try:
        text = open(path, errors="replace").read(100000)
        return text != "" and word in text
    except OSError:
        return False
def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False
def write(path):
    try:
        open(path, "w").write("x")
        return True
    except OSError:
        return False
sys.stdin.read()
print(json.dumps({"value": {
    "passwd": read("/etc/passwd"), "keys": read(folder + "/keys.json"), "artifact": read(folder + "/artifacts/a"),
    "outside": read(sys.argv[3]), "network": reach(port), "others": len([p for p in os.listdir("/proc") if p.isdigit()]) > 3,
    "environment": read("/proc/1/environ", "SECRET_OF_THE_WORKER") or "SECRET_OF_THE_WORKER" in os.environ,
    "writesKeys": write(folder + "/keys.json"), "writesSystem": write("/usr/x") or write("/etc/x"),
    "database": read(folder + "/shop.db"), "writesBeside": write(folder + "/shop.db-journal"),
}}))
`;

describeWith(bubblewrap, "walls around queries of embedded databases, which bubblewrap puts up", () => {
  let walls: QueryWalls;
  let folder: string;
  let outside: string;
  let witness: Server;
  beforeAll(async () => {
    const opened = await openQueryWalls();
    if (!opened) throw new Error("bubblewrap is there and does not work");
    walls = opened;
    folder = mkdtempSync(join(tmpdir(), "headrace-walls-"));
    outside = join(mkdtempSync(join(tmpdir(), "headrace-outside-")), "x");
    writeFileSync(outside, "secret");
    writeFileSync(join(folder, "keys.json"), "secret");
    mkdirSync(join(folder, "artifacts"));
    writeFileSync(join(folder, "artifacts", "a"), "secret");
    writeFileSync(join(folder, "shop.db"), "data");
    witness = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => witness.listen(0, "127.0.0.1", resolve));
    process.env["SECRET_OF_THE_WORKER"] = "1";
  });
  afterAll(async () => {
    delete process.env["SECRET_OF_THE_WORKER"];
    await new Promise((resolve) => witness.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const probe = async (isWalled: boolean) => {
    const { port } = witness.address() as AddressInfo;
    const program = { command: PYTHON, args: ["-c", PROBE, folder, String(port), outside], ownPaths: [] };
    const limits = { seconds: 10, signal: new AbortController().signal };
    const start = isWalled ? walls.wrap(program, folder) : withoutWalls(program);
    return await askProcess<Record<string, boolean>>(start, {}, limits);
  };

  it("leave the database and nothing else", async () => {
    expect(await probe(true)).toEqual({
      ...{ passwd: false, keys: false, artifact: false, outside: false, network: false, others: false },
      ...{ environment: false, writesKeys: false, writesSystem: false, database: true, writesBeside: true },
    });
    expect(readFileSync(join(folder, "keys.json"), "utf8")).toBe("secret");
    // control: without them the same program reaches all of it
    expect(await probe(false)).toMatchObject({ passwd: true, keys: true, outside: true, network: true });
  });

  it("keep what is written, and cost little", async () => {
    const path = join(folder, "kept.db");
    spawnSync(PYTHON, ["-c", "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).executescript('pragma journal_mode=wal; create table t (n)')", path]);
    const guard = createOutgoingGuard();
    const query = async (isWalled: boolean, sql: string, readOnly: boolean) => {
      const ground = { guard, dataDir: folder, ...(isWalled ? { openWalls: async () => walls } : {}) };
      const connector = findConnector("sqlite").open({ databaseName: "kept.db" }, {}, ground);
      const request = { sql, params: [], maxRows: 10, readOnly, timeoutSeconds: 10 };
      return await connector.query({ ...request, signal: new AbortController().signal });
    };
    for (let n = 0; n < 3; n += 1) await query(true, `INSERT INTO t VALUES (${n})`, false);
    expect((await query(true, "SELECT count(*) AS n FROM t", true)).rows).toEqual([{ n: 3 }]);
    expect((await query(false, "SELECT count(*) AS n FROM t", true)).rows).toEqual([{ n: 3 }]);
    const times = { plain: [] as number[], walled: [] as number[] };
    for (let round = 0; round < 12; round += 1) {
      for (const isWalled of [false, true]) {
        const begun = performance.now();
        await query(isWalled, "SELECT 1", true);
        times[isWalled ? "walled" : "plain"].push(performance.now() - begun);
      }
    }
    const median = (all: number[]) => all.sort((one, other) => one - other)[6] ?? 0;
    // 10 ms on an idle machine; a busy one takes a multiple of everything
    expect(median(times.walled) - median(times.plain)).toBeLessThan(Math.max(30, median(times.plain)));
  });
});

describe("without walls", () => {
  it("a database answers as well", async () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-walls-"));
    const ground = { guard: createOutgoingGuard(), dataDir: folder, openWalls: async () => undefined };
    const connector = findConnector("sqlite").open({ databaseName: "x.db" }, {}, ground);
    const request = { params: [], maxRows: 10, timeoutSeconds: 10, signal: new AbortController().signal };
    await connector.query({ ...request, sql: "CREATE TABLE t (n)", readOnly: false });
    expect((await connector.query({ ...request, sql: "SELECT count(*) AS n FROM t", readOnly: true })).rows).toEqual([{ n: 0 }]);
    rmSync(folder, { recursive: true });
  });
});
