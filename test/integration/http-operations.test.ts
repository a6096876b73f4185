import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import express from "express";
import { loadKeys } from "../../src/config/load-keys.js";
import { createPasswords } from "../../src/services/auth/passwords.js";
import { ensureFirstAdmin } from "../../src/services/users/ensure-first-admin.js";
import { openDatabase } from "../../src/models/database.js";
import { createTestDatabase } from "../support/test-database.js";
import { createAuditLog } from "../../src/services/audit/audit-log.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

let server: TestServer;
let isQueueUp = true;

function board() {
  const router = express.Router();
  router.get("/", (_request, response) => void response.type("html").send("<p>board</p>"));
  router.all("/api/queues/:name/obliterate", (_request, response) => void response.send("obliterated"));
  return router;
}

describe("operations", () => {
  beforeAll(async () => {
    server = await startTestServer({
      environment: { METRICS_TOKEN: "metrics-token" },
      bullBoard: board(),
      checks: [
        { name: "database", check: () => Promise.resolve() },
        {
          name: "queue",
          check: () => (isQueueUp ? Promise.resolve() : Promise.reject(new Error("redis://me:pw@host"))),
        },
      ],
    });
  });
  afterAll(async () => {
    await server.close();
  });

  it("readiness names what is missing, and says no more", async () => {
    const ready = await server.request({ as: null, path: "/health/ready" });
    expect([ready.status, ready.body["missing"]]).toEqual([200, []]);
    isQueueUp = false;
    await new Promise((resolve) => setTimeout(resolve, 600));
    const down = await server.request({ as: null, path: "/health/ready" });
    expect([down.status, down.body["missing"]]).toEqual([503, ["queue"]]);
    expect(down.text).not.toContain("pw@");
    expect((await server.request({ as: null, path: "/health/live" })).status).toBe(200);
  });

  it("metrics open to METRICS_TOKEN alone", async () => {
    for (const as of [null, "viewer", "admin"] as const) {
      expect((await server.request({ as, path: "/metrics" })).status).toBe(401);
    }
    const metrics = await server.request({ path: "/metrics", token: "metrics-token" });
    expect(metrics.status).toBe(200);
    expect(metrics.text).toMatch(
      /headrace_http_request_duration_seconds_count\{method="GET",route="\/metrics",status="401"\} 3/,
    );
  });

  it("the OpenAPI document has every route with every status, and a problem for each error", async () => {
    const { body, status } = await server.request({ as: null, path: "/openapi.json" });
    expect(status).toBe(200);
    const document = body as unknown as {
      openapi: string;
      paths: Record<
        string,
        Record<string, { security: unknown[]; responses: Record<string, { content?: object }> }>
      >;
      components: { schemas: object; securitySchemes: object };
    };
    expect(document.openapi).toMatch(/^3\.1/);
    for (const route of server.routes.filter((each) => !each.hidden)) {
      const operation = document.paths[route.path.replaceAll(/:(\w+)/g, "{$1}")]?.[route.method];
      expect([route.path, Object.keys(operation?.responses ?? {})]).toEqual([
        route.path,
        expect.arrayContaining([...Object.keys(route.answers), "500"]),
      ]);
      expect(operation?.security).toHaveLength(route.permission === "public" ? 0 : 2);
      if (route.permission !== "public") expect(operation?.responses).toHaveProperty("401");
    }
    const login = document.paths["/api/v1/auth/login"]?.["post"]?.responses["422"]?.content;
    expect(login).toEqual({
      "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
    });
    expect(document.components.schemas).toHaveProperty("User");
  });

  it("the documentation needs nothing from elsewhere, and no inline script", async () => {
    for (const path of ["/docs", "/", "/sign-in"]) {
      const page = await server.request({ as: null, path });
      expect(page.status).toBe(200);
      expect(page.headers["content-type"]).toMatch(/^text\/html/);
      expect(page.headers["content-security-policy"]).toMatch(/script-src 'self';/);
      expect(page.text).not.toMatch(/https?:\/\//);
      expect(page.text).not.toMatch(/<script(?![^>]*src=)|\son\w+=/);
      const files = [...page.text.matchAll(/(?:src|href)="(\/(?:docs|assets)\/[^"]+)"/g)].map(
        ([, file]) => file ?? "",
      );
      for (const file of files) {
        const response = await server.request({ as: null, path: file });
        expect([file, response.status]).toEqual([file, 200]);
        expect(response.headers["content-type"]).toMatch(
          file.endsWith(".css") ? /^text\/css/ : /^text\/javascript/,
        );
      }
    }
    expect(
      (await server.request({ as: null, path: "/docs/swagger-ui-bundle.js" })).text.length,
    ).toBeGreaterThan(500_000);
    expect((await server.request({ as: null, path: "/docs/../package.json" })).status).toBe(404);
  });

  it("the queue board is for operators and up, to look at only", async () => {
    const path = "/admin/queues";
    const html = { accept: "text/html" };
    const anonymous = await server.request({ as: null, path, headers: html });
    expect([anonymous.status, anonymous.headers.location]).toEqual([302, "/sign-in?next=%2Fadmin%2Fqueues"]);
    expect((await server.request({ as: null, path })).status).toBe(401);
    expect((await server.request({ as: "viewer", path, headers: html })).status).toBe(403);
    const headers = { ...html, cookie: `headrace_session=${server.users.operator.token}` };
    const shown = await server.request({ as: null, path: `${path}/`, headers });
    expect([shown.status, shown.text]).toEqual([200, "<p>board</p>"]);
    const before = Number((await server.knex("action_logs").count())[0]?.["count"]);
    for (const method of ["PUT", "POST"]) {
      const response = await server.request({
        as: "admin",
        method,
        path: `${path}/api/queues/runs/obliterate`,
      });
      expect([response.status, response.headers.allow]).toEqual([405, "GET, HEAD"]);
    }
    expect(Number((await server.knex("action_logs").count())[0]?.["count"])).toBe(before + 2);
  });
});

describe("without a database", () => {
  it("503 for what needs it, within a second; alive all the same", async () => {
    const knex = openDatabase({
      url: "postgres://postgres@127.0.0.1:1/x",
      poolSize: 2,
      applicationName: "x",
    });
    const good = await startTestServer({ loginLimits: { perAccount: 10, perAddress: 10 } });
    const cut = await startTestServer();
    try {
      await cut.knex.raw("SELECT 1");
      await good.knex.raw("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?", [
        new URL(cut.databaseUrl).pathname.slice(1),
      ]);
      // the pool finds its connections dead, and makes new ones
      expect([200, 503]).toContain((await cut.request({ path: "/api/v1/auth/me" })).status);
      expect((await cut.request({ path: "/api/v1/auth/me" })).status).toBe(200);
      await expect(knex.raw("SELECT 1")).rejects.toThrow();
    } finally {
      await knex.destroy();
      await good.close();
      await cut.close();
    }
  });

  it("tells a refused connection, a silent server and a broken one from its own faults", async () => {
    const sockets: Socket[] = [];
    const broken = createServer((socket) => {
      sockets.push(socket);
      socket.destroy();
    });
    await new Promise<void>((resolve) => broken.listen(0, "127.0.0.1", resolve));
    const { port } = broken.address() as { port: number };
    const { toAppError } = await import("../../src/http/to-app-error.js");
    try {
      for (const target of [1, port]) {
        const knex = openDatabase({
          url: `postgres://postgres@127.0.0.1:${target}/x`,
          poolSize: 1,
          applicationName: "x",
        });
        const error = await knex.raw("SELECT 1").catch((thrown: unknown) => toAppError(thrown));
        expect(error).toMatchObject({ code: "NOT_READY", headers: { "Retry-After": "5" } });
        await knex.destroy();
      }
    } finally {
      await new Promise((resolve) => broken.close(resolve));
    }
    expect(toAppError(new Error("boom"))).toMatchObject({ code: "INTERNAL" });
  });
});

describe("first start", () => {
  it("makes one admin with a password that only its file knows, however many processes start", async () => {
    const database = await createTestDatabase();
    const folder = mkdtempSync(join(tmpdir(), "headrace-admin-"));
    try {
      const settings = { DATA_DIR: folder, ADMIN_EMAIL: undefined, ADMIN_PASSWORD: undefined };
      const deps = {
        knex: database.knex,
        settings,
        passwords: createPasswords(),
        audit: createAuditLog(database),
      };
      const made = await Promise.all([
        ensureFirstAdmin(deps),
        ensureFirstAdmin(deps),
        ensureFirstAdmin(deps),
      ]);
      const [admin, ...others] = made.filter((each) => each !== undefined);
      expect(others).toEqual([]);
      expect(admin).toEqual({ email: "admin@localhost", passwordFile: join(folder, "admin-password") });
      expect(statSync(join(folder, "admin-password")).mode & 0o777).toBe(0o600);
      const password = readFileSync(join(folder, "admin-password"), "utf8").trim();
      const row = await database.knex("users").first();
      expect(await deps.passwords.verify(row.password_hash, password)).toBe(true);
      expect(row.password_hash).toMatch(/^\$argon2id\$/);
    } finally {
      rmSync(folder, { recursive: true });
      await database.drop();
    }
  });

  it("makes keys once, readable by the owner alone", () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-keys-"));
    try {
      const settings = { DATA_DIR: folder, JWT_SECRET: undefined, ENCRYPTION_KEY: undefined };
      const keys = loadKeys(settings);
      const { jwtSecret, encryption } = loadKeys(settings);
      expect([jwtSecret, encryption.id, encryption.key]).toEqual([
        keys.jwtSecret,
        keys.encryption.id,
        keys.encryption.key,
      ]);
      expect(statSync(join(folder, "keys.json")).mode & 0o777).toBe(0o600);
      const given = loadKeys({ ...settings, JWT_SECRET: "j".repeat(32) });
      expect(given.jwtSecret).toBe("j".repeat(32));
      expect(given.encryption.key).toEqual(keys.encryption.key);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
