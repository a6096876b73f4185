import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { BACKENDS } from "../support/engine-harness.js";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.js";
import { startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";

const SECRETS = { JWT_SECRET: "j".repeat(40), ENCRYPTION_KEY: "e".repeat(40) };

let postgres: OwnPostgres;
let dataDir: string;
let processes: RoleProcess[] = [];

async function query(url: string, text: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

describe("starting", () => {
  beforeAll(async () => {
    postgres = await startOwnPostgres();
    dataDir = mkdtempSync(join(tmpdir(), "headrace-start-"));
  });
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.kill()));
    processes = [];
  });
  afterAll(async () => {
    await postgres?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  describe.each(BACKENDS)(
    "F30: processes that start together on an empty database, queues on $name",
    (backend) => {
      it("migrate once, and all are ready within 30 s", async () => {
        const database = await postgres.createDatabase(`empty_${backend.name.toLowerCase()}`);
        const environment = {
          DATABASE_URL: database,
          DATA_DIR: dataDir,
          PORT: "0",
          QUEUE_PREFIX: `start${process.pid}`,
          ...(backend.redisUrl ? { REDIS_URL: backend.redisUrl } : {}),
        };
        const startedAt = performance.now();
        processes = await Promise.all(
          (["api", "worker", "api", "worker"] as const).map((role) => spawnRole(role, environment)),
        );
        const tookMs = performance.now() - startedAt;
        process.stderr.write(`F30 ${backend.name}: 4 processes ready after ${Math.round(tookMs)} ms\n`);
        expect(tookMs).toBeLessThan(30_000);
        const applied = await query(
          database,
          "SELECT name, count(*)::int FROM headrace_migrations GROUP BY name",
        );
        expect(applied.length).toBeGreaterThan(5);
        expect(applied.every((row) => row["count"] === 1)).toBe(true);
        expect(await query(database, "SELECT email FROM users")).toHaveLength(1);
        const outputs = processes.map((one) => one.output()).join("");
        expect(outputs.match(/schema brought up to date/g)).toHaveLength(1);
        for (const { address } of processes.filter((one) => one.address !== "")) {
          expect((await fetch(`${address}/health/ready`)).status).toBe(200);
        }
        if (backend.redisUrl) return;
        // the lock row of a process that was killed while it migrated keeps nobody out
        await query(database, "UPDATE headrace_migrations_lock SET is_locked = 1");
        await query(database, "DELETE FROM headrace_migrations WHERE name LIKE '%create_bulk_operations%'");
        await query(database, "DROP TABLE bulk_operation_items, bulk_operations");
        processes.push(await spawnRole("worker", environment));
        expect(await query(database, "SELECT 1 FROM bulk_operations")).toEqual([]);
        // nor does a schema that is newer than the program: the processes of the version before start again
        await query(
          database,
          "INSERT INTO headrace_migrations (name, batch) VALUES ('29990101000000_later.js', 9)",
        );
        processes.push(await spawnRole("worker", environment));
      }, 90_000);
    },
  );

  describeWith(redisServer, "F12: a Redis that evicts", () => {
    it("keeps production from starting, and says which setting; elsewhere readiness is 503", async () => {
      const redis = await startOwnRedis(["--maxmemory-policy", "allkeys-lru"]);
      try {
        const database = await postgres.createDatabase("evicting");
        const environment = { DATABASE_URL: database, DATA_DIR: dataDir, PORT: "0", REDIS_URL: redis.url };
        const production = { ...environment, ...SECRETS, PRODUCTION: "true", SANDBOX: "process" };
        const refused = expect(
          Promise.any((["api", "worker", "scheduler"] as const).map((role) => spawnRole(role, production))),
        ).rejects.toMatchObject({
          errors: Array.from({ length: 3 }, () => ({
            message: expect.stringMatching(
              /ended before it was ready[^]*maxmemory-policy allkeys-lru[^]*Set maxmemory-policy noeviction/,
            ),
          })),
        });
        const api = await spawnRole("api", environment);
        await refused;
        processes.push(api);
        const answer = await fetch(`${api.address}/health/ready`);
        expect(answer.status).toBe(503);
        expect(await answer.text()).toContain("maxmemory-policy");
      } finally {
        await redis.stop();
      }
    }, 60_000);
  });
});
