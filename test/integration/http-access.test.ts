import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { canRole, type Role, ROLES } from "../../src/core/permissions.js";
import { defineRoute, type RouteDefinition } from "../../src/http/route.js";
import { sendRequest } from "../support/http-client.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

let server: TestServer;
/** Ids that exist nowhere: allowed requests get 404 or 422, never 401 or 403. */
const NOBODY = "0193d5a1-7b1c-7000-8000-0000000000ff";

const toPath = (route: RouteDefinition) =>
  route.path.replace(":id", NOBODY).replace(":name", "NO_SUCH_SECRET");
const label = (route: RouteDefinition) => `${route.method.toUpperCase()} ${route.path}`;
const isGuarded = (route: RouteDefinition) => route.permission !== "public";

async function ask(route: RouteDefinition, token: string | undefined): Promise<number> {
  const method = route.method.toUpperCase();
  const body = route.body ? { body: { surely: "no such field" } } : {};
  return (await sendRequest(server.port, { method, path: toPath(route), token, ...body })).status;
}

/** A stream that stays open until it is ended. */
function streamRoutes(): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/test-stream",
      permission: "run:read",
      summary: "Stream",
      tag: "Test",
      answers: { 200: { description: "Events" } },
      handler: ({ signal }) =>
        Promise.resolve({
          status: 200,
          headers: { "Content-Type": "text/event-stream" },
          stream: async (_request, response) => {
            response.write(": open\n\n");
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        }),
    }),
  ];
}

describe("access", () => {
  beforeAll(async () => {
    server = await startTestServer({ routes: streamRoutes });
  });
  afterAll(async () => {
    await server.close();
  });

  const walkable = () => server.routes.filter((route) => !route.path.endsWith("test-stream"));

  it("lists few public routes, all of them known", () => {
    const open = server.routes.filter((route) => !isGuarded(route)).map(label);
    expect(open.sort()).toEqual([
      "GET /",
      "GET /api/v1/auth/methods",
      "GET /api/v1/auth/oidc/callback",
      "GET /api/v1/auth/oidc/start",
      "GET /assets/page.css",
      "GET /assets/sign-in.js",
      "GET /docs",
      "GET /docs/start.js",
      "GET /docs/swagger-ui-bundle.js",
      "GET /docs/swagger-ui.css",
      "GET /health/live",
      "GET /health/ready",
      "GET /metrics",
      "GET /sign-in",
      "POST /api/v1/auth/login",
      "POST /api/v1/auth/logout",
      "POST /api/v1/auth/refresh",
    ]);
  });

  it("refuses every other route without a token, and with bad ones", async () => {
    const admin = server.users.admin.token;
    const [head, payload] = admin.split(".");
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${payload}.`;
    const tampered = `${head}.${payload}.${"A".repeat(43)}`;
    const tokens = [undefined, tampered, none, "hr_unknown", "x"];
    for (const route of walkable().filter(isGuarded)) {
      for (const token of tokens)
        expect([label(route), await ask(route, token)]).toEqual([label(route), 401]);
    }
  });

  it.each(ROLES)("gives %s exactly what its permissions say", async (role) => {
    for (const route of walkable().filter(isGuarded)) {
      const { permission } = route;
      const isAllowed =
        permission === "authenticated" || (permission !== "public" && canRole(role, permission));
      const status = await ask(route, server.users[role].token);
      const found = [label(route), status === 401 || status === 403 ? status : "allowed"];
      expect(found).toEqual([label(route), isAllowed ? "allowed" : 403]);
    }
  });

  it("keeps to the matrix for the routes of this room", async () => {
    const matrix: [string, string, readonly (number | string)[]][] = [
      ["GET", "/api/v1/users", [403, 403, 403, 200]],
      ["GET", "/api/v1/action-logs", [403, 403, 403, 200]],
      ["GET", "/api/v1/action-logs/verify", [403, 403, 403, 200]],
      ["GET", "/api/v1/secrets", [200, 200, 200, 200]],
      ["PUT", "/api/v1/secrets/A", [403, 403, 422, 422]],
      ["DELETE", "/api/v1/secrets/A", [403, 403, 404, 404]],
      ["GET", "/api/v1/auth/api-keys", [200, 200, 200, 200]],
      ["GET", "/api/v1/auth/me", [200, 200, 200, 200]],
    ];
    for (const [method, path, expected] of matrix) {
      const found: number[] = [];
      for (const role of ROLES) {
        const body = method === "PUT" ? { body: {} } : {};
        found.push((await server.request({ as: role, method, path, ...body })).status);
      }
      expect([path, found]).toEqual([path, expected]);
    }
  });

  it("judges permission before validity, and 404 before 422", async () => {
    const broken = {
      method: "POST",
      path: "/api/v1/users",
      body: "{",
      headers: { "content-type": "application/json" },
    };
    expect((await server.request({ ...broken, as: "editor" })).status).toBe(403);
    expect((await server.request({ ...broken, as: "admin" })).status).toBe(400);
    const patch = {
      as: "admin",
      method: "PATCH",
      path: `/api/v1/users/${NOBODY}`,
      body: { role: "king" },
    } as const;
    expect((await server.request(patch)).status).toBe(404);
  });

  it("leaves one audit entry, and no row, of a refused change; none of a refused read", async () => {
    const count = async (table: string) => Number((await server.knex(table).count())[0]?.["count"]);
    const before = { logs: await count("action_logs"), users: await count("users") };
    const body = { email: "x@example.com", name: "X", role: "admin", password: "password" };
    const refused = await server.request({ as: "editor", method: "POST", path: "/api/v1/users", body });
    expect(refused.status).toBe(403);
    await server.request({ as: "editor", path: "/api/v1/users" });
    expect({ logs: await count("action_logs"), users: await count("users") }).toEqual({
      logs: before.logs + 1,
      users: before.users,
    });
    const entry = await server.knex("action_logs").orderBy("seq", "desc").first();
    expect(entry).toMatchObject({
      action: "user.manage",
      outcome: "denied",
      actor_id: server.users.editor.id,
      request_id: refused.headers["x-request-id"],
    });
    expect(JSON.stringify(entry)).not.toContain("x@example.com");
    const invalid = await server.request({
      as: "admin",
      method: "POST",
      path: "/api/v1/users",
      body: { role: "king" },
    });
    expect(invalid.status).toBe(422);
    expect(await count("action_logs")).toBe(before.logs + 2);
    expect(await server.knex("action_logs").orderBy("seq", "desc").first()).toMatchObject({
      outcome: "failed",
    });
  });

  it("K11 closes an open stream when its owner is deactivated, and refuses token, key and cookie", async () => {
    const user = await server.addUser("editor", "stream@example.com");
    const made = await server.request({
      method: "POST",
      path: "/api/v1/auth/api-keys",
      token: user.token,
      body: { name: "k" },
    });
    const key = String(made.body["key"]);
    const startedAt = Date.now();
    const stream = sendRequest(server.port, { path: "/api/v1/test-stream", token: user.token }).catch(
      () => "closed",
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    const path = `/api/v1/users/${user.id}`;
    const patch = { as: "admin", method: "PATCH", path, body: { isActive: false } } as const;
    expect((await server.request(patch)).status).toBe(200);
    const me = "/api/v1/auth/me";
    expect((await server.request({ path: me, token: user.token })).status).toBe(401);
    expect((await server.request({ path: me, token: key })).status).toBe(401);
    const headers = { cookie: `headrace_session=${user.token}` };
    expect((await server.request({ path: me, as: null, headers })).status).toBe(401);
    expect(await stream).toBe("closed");
    expect(Date.now() - startedAt).toBeLessThan(15_000);
  });

  it("refuses a mass assignment", async () => {
    const make = async (more: object) => {
      const body = { email: "m@example.com", name: "M", role: "viewer", password: "password", ...more };
      return (await server.request({ as: "admin", method: "POST", path: "/api/v1/users", body })).status;
    };
    for (const field of ["id", "createdBy", "ownerId", "passwordHash", "revision", "isActive"]) {
      expect([field, await make({ [field]: 1 })]).toEqual([field, 422]);
    }
  });
});

describe("the roles themselves", () => {
  it("each has what the one before it has, and more", () => {
    const granted = (role: Role) =>
      server.routes
        .filter((route) => isGuarded(route) && route.permission !== "authenticated")
        .filter((route) => canRole(role, route.permission as never)).length;
    const counts = ROLES.map(granted);
    expect([...counts].sort((one, other) => one - other)).toEqual(counts);
  });
});
