import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startApi } from "../../src/api.js";
import { newId } from "../../src/core/ids.js";
import { ROLES } from "../../src/core/permissions.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { sendRequest } from "../support/http-client.js";
import { expectProblem, faultPaths, itHolds, type MatrixRequest, type MatrixRow } from "../support/matrix-rows.js";
import { type MatrixWorld, NOBODY, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const AUTH = "/api/v1/auth";
const USERS = "/api/v1/users";

function row(name: string, request: MatrixRow["request"], status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return { name, request, status, paths };
}
const login = (name: string, body: unknown, ...paths: string[]) =>
  row(`26 ${name}`, { method: "POST", path: `${AUTH}/login`, body, as: null }, 422, ...paths);
const key = (name: string, body: unknown, status: number, ...paths: string[]) =>
  row(`29 ${name}`, { method: "POST", path: `${AUTH}/api-keys`, body }, status, ...paths);
const user = (name: string, body: object, ...paths: string[]) =>
  row(
    `30 ${name}`,
    { method: "POST", path: USERS, as: "admin", body: { email: `u-${newId()}@example.com`, name: "U", password: "correct horse battery", role: "viewer", ...body } },
    422,
    ...paths,
  );

const ROWS: readonly MatrixRow[] = [
  login("an operator object", { email: { $ne: null }, password: { $ne: null } }, "/email", "/password"),
  login("lists", { email: ["a@b.c"], password: ["x"] }, "/email", "/password"),
  login("a password of 1 MiB", { email: "a@b.c", password: "x".repeat(1024 * 1024) }, "/password"),
  login("an address of 1 MiB", { email: `${"x".repeat(1024 * 1024)}@b.c`, password: "x" }, "/email"),
  login("numbers", { email: 1, password: 2 }, "/email", "/password"),
  login("nothing", {}, "/email", "/password"),
  login("NUL", { email: "a@b.c", password: "a\u0000b" }, "/password"),
  login("more than is asked", { email: "a@b.c", password: "x", role: "admin" }, "/role"),
  ...["", "x", "a.b.c", "hrr_", "x".repeat(100_000), 1, null, ["x"], { $ne: null }].map((refreshToken) =>
    row(`28 the refresh token ${JSON.stringify(refreshToken).slice(0, 30)}`, { method: "POST", path: `${AUTH}/refresh`, body: { refreshToken }, as: null }, [401, 422]),
  ),
  row("28 an access token to refresh with", () => ({ method: "POST", path: `${AUTH}/refresh`, body: { refreshToken: world.tokens.editor }, as: null }), 401),
  key("a stronger role", { name: "x", role: "admin" }, 403),
  key("a role that is none", { name: "x", role: "root" }, 422, "/role"),
  key("an end in the past", { name: "x", expiresAt: "2020-01-01T00:00:00Z" }, 422, "/expiresAt"),
  key("an end that is none", { name: "x", expiresAt: "never" }, 422, "/expiresAt"),
  key("no name", { name: "" }, 422, "/name"),
  key("a name of blanks", { name: "   " }, 422, "/name"),
  key("a name of 300 characters", { name: "x".repeat(300) }, 422, "/name"),
  key("a scope that is none", { name: "x", scopes: ["everything"] }, 422, "/scopes/0"),
  key("no scopes", { name: "x", scopes: [] }, 422, "/scopes"),
  ...["userId", "key", "id", "createdBy", "lastUsedAt", "prefix"].map((name) =>
    key(`mass assignment of ${name}`, { name: "x", [name]: NOBODY }, 422, `/${name}`),
  ),
  ...["", "x", "a@", "@b.c", "a b@c.d", "a@b.c\n", `${"x".repeat(400)}@b.c`, 1, null].map((email) =>
    user(`the address ${JSON.stringify(email).slice(0, 30)}`, { email }, "/email"),
  ),
  ...["", "short", "x".repeat(100_000), 1, null].map((password) => user(`the password ${JSON.stringify(password).slice(0, 20)}`, { password }, "/password")),
  ...["root", "", "ADMIN", ["admin"], null, 1].map((role) => user(`the role ${JSON.stringify(role)}`, { role }, "/role")),
  ...["id", "createdBy", "passwordHash", "isAdmin", "permissions", "ownerId", "revision"].map((name) =>
    user(`mass assignment of ${name}`, { [name]: "x" }, `/${name}`),
  ),
  row("30 an editor lifts itself", () => ({ method: "PATCH", path: `${USERS}/${ids.editor}`, body: { role: "admin" } }), 403),
  row("30 an editor lifts itself, whatever else the body says", () => ({ method: "PATCH", path: `${USERS}/${ids.editor}`, body: { nope: 1 } }), 403),
  row("30 the last admin steps down", () => ({ method: "PATCH", path: `${USERS}/${ids.admin}`, body: { role: "viewer" }, as: "admin" }), 409),
  row("30 the last admin is deactivated", () => ({ method: "PATCH", path: `${USERS}/${ids.admin}`, body: { isActive: false }, as: "admin" }), 409),
  row("30 the last admin is deleted", () => ({ method: "DELETE", path: `${USERS}/${ids.admin}`, as: "admin" }), 409),
];

const ids = {} as Record<(typeof ROLES)[number], string>;

describe("bad inputs: sign-in and roles", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
    for (const role of ROLES)
      ids[role] = String((await world.send({ path: `${AUTH}/me`, as: role })).body["id"]);
  });
  afterAll(async () => {
    await world.close();
  });
  const send = async (request: MatrixRequest) => await world.send(request);

  describe("rows", () => itHolds(ROWS, send));

  it("K17 signing in makes a session of its own, whatever the browser brought", async () => {
    const { knex, audit, keys } = world.platform;
    const auth = createAuthServices({ knex, audit, keys });
    const passwordHash = await auth.passwords.hash("correct horse battery");
    await knex("users").where("id", ids.viewer).update({ password_hash: passwordHash });
    const planted = "headrace_session=planted; headrace_refresh=planted";
    const answer = await sendRequest(Number(new URL(world.address).port), {
      method: "POST",
      path: `${AUTH}/login`,
      headers: { cookie: planted },
      body: { email: "viewer@example.com", password: "correct horse battery" },
    });
    expect(answer.status).toBe(200);
    const cookies = answer.headers["set-cookie"] ?? [];
    expect(cookies.length).toBeGreaterThan(1);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/HttpOnly.*SameSite=Strict/);
      expect(cookie).not.toContain("planted");
    }
  });

  it("27 twenty wrong passwords a minute are too many, whatever X-Forwarded-For says", async () => {
    let last = 0;
    for (let count = 0; count < 20; count += 1) {
      const request = {
        method: "POST",
        path: `${AUTH}/login`,
        as: null,
        headers: { "x-forwarded-for": `198.51.100.${count}`, forwarded: `for=198.51.100.${count}`, "x-real-ip": `198.51.100.${count}` },
        body: { email: "somebody@example.com", password: `wrong ${count}` },
      };
      const answer = await world.send(request);
      expectProblem(request, answer);
      last = answer.status;
      if (last === 429) expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    }
    expect(last).toBe(429);
  });

  it("31 no other way to send credentials", async () => {
    const token = world.tokens.admin;
    const bad: Record<string, string | string[]>[] = [
      ...["Bearer", "Bearer ", "Basic YTpi", `Basic ${Buffer.from(`admin:${token}`).toString("base64")}`, `Token ${token}`, token].map((text) => ({ authorization: text })),
      ...[`Bearer ${token} x`, `Bearer  ${token}.`, `Bearer ${token},Bearer ${token}`, `Bearer "${token}"`].map((text) => ({ authorization: text })),
      { authorization: [`Bearer ${token}`, "Bearer x"] },
      { "x-api-key": token },
      { "x-access-token": token },
      { "x-forwarded-user": "admin@example.com" },
      { "x-auth-request-email": "admin@example.com" },
      { cookie: `session=${token}` },
      { cookie: `headrace_session=${token}; headrace_session=x` },
    ];
    for (const headers of bad) {
      const request = { path: `${AUTH}/me`, as: null, headers } as const;
      const answer = await world.send(request);
      expect([Object.keys(headers), answer.status]).toEqual([Object.keys(headers), 401]);
      expectProblem(request, answer);
    }
    for (const name of ["token", "access_token", "api_key", "key", "apiKey", "authorization"]) {
      const answer = await world.send({ path: `/api/v1/workflow-runs?${name}=${token}`, as: null });
      expect([name, answer.status]).toEqual([name, 401]);
    }
  });

  it("32 a cookie changes something from our own pages alone", async () => {
    const cookie = `headrace_session=${world.tokens.editor}`;
    const own = world.address;
    const change = async (headers: Record<string, string>) => {
      const request = { method: "POST", path: "/api/v1/mcp-definitions", as: null, headers: { cookie, ...headers }, body: { name: "a-cookie", mcpType: "x" } };
      const answer = await world.send(request);
      expectProblem(request, answer);
      return answer.status;
    };
    const csrf = { "x-headrace-csrf": "1" };
    const bad: Record<string, string>[] = [
      ...[{}, { origin: own }, { ...csrf, origin: "https://evil" }, { ...csrf, origin: "null" }, { ...csrf, origin: "" }],
      ...[{ "x-headrace-csrf": "0", origin: own }, { "x-headrace-csrf": "", origin: own }, { ...csrf, origin: `${own}.evil.example` }],
      ...[{ ...csrf, origin: own.replace("http:", "https:") }, { ...csrf, origin: own.replace(/:\d+$/, ":3100") }, { ...csrf, origin: own, "sec-fetch-site": "cross-site" }],
      ...[{ ...csrf, origin: own, "sec-fetch-site": "same-site" }, { ...csrf, origin: "http://localhost@evil.example" }],
    ];
    for (const headers of bad) expect([headers, await change(headers)]).toEqual([headers, 403]);
    expect(await change({ ...csrf, origin: own, "sec-fetch-site": "same-origin" })).toBe(422);
    expect((await world.send({ path: "/api/v1/mcp-definitions", as: null, headers: { cookie } })).status).toBe(200);
  });

  it("gives somebody else's API keys to admins alone: 404 for all others", async () => {
    const made = await world.send({ method: "POST", path: `${AUTH}/api-keys`, as: "operator", body: { name: "mine" } });
    const path = `${AUTH}/api-keys/${made.body["id"]}`;
    for (const as of ["viewer", "editor"] as const) {
      for (const method of ["GET", "DELETE"]) {
        const request = { method, path, as };
        const answer = await world.send(request);
        expect([as, method, answer.status]).toEqual([as, method, 404]);
        expectProblem(request, answer);
      }
      expect((await world.send({ path: `${AUTH}/api-keys`, as })).text).not.toContain(String(made.body["id"]));
    }
    expect((await world.send({ path, as: "operator" })).status).toBe(200);
    expect((await world.send({ method: "DELETE", path, as: "admin" })).status).toBe(204);
  });

  it("lists tell no count of what is hidden", async () => {
    for (const path of ["/workflow-runs", "/mcp-definitions", "/workflow-definitions", "/schedules", "/webhooks", "/secrets", "/external-db-configs", "/auth/api-keys"]) {
      const { body, headers } = await world.send({ path: `/api/v1${path}`, as: "viewer" });
      expect([path, Object.keys(body).sort()]).toEqual([path, ["items", "nextCursor"]]);
      expect(Object.keys(headers).filter((name) => /total|count/.test(name))).toEqual([]);
    }
  });

  it("a forbidden role learns nothing of a body's faults, nor of what is there", async () => {
    const bodies = [{}, { nope: 1 }, [], "{", { name: "x", mcpType: "bash" }];
    for (const body of bodies) {
      for (const [method, path] of [
        ["POST", "/api/v1/mcp-definitions"],
        ["PATCH", `/api/v1/mcp-definitions/${world.component.id}`],
        ["PATCH", `/api/v1/mcp-definitions/${NOBODY}`],
        ["DELETE", `/api/v1/users/${NOBODY}`],
        ["PUT", "/api/v1/secrets/lower"],
      ] as const) {
        const headers = { "content-type": "application/json" };
        const answer = await world.send({ method, path, body, headers, as: "operator" });
        expect([method, path, answer.status, faultPaths(answer)]).toEqual([method, path, 403, []]);
      }
    }
  });

  it("refuses in each message what the caller has sent as a secret", async () => {
    const secret = "v3ry-secret-indeed";
    for (const [path, body] of [
      ["/api/v1/auth/login", { email: "a@b.c", password: secret }],
      ["/api/v1/external-db-configs", { name: "x", dbType: "postgresql", password: secret, host: "10.0.0.1" }],
      ["/api/v1/llm-providers", { name: "x", baseUrl: "http://10.0.0.1", apiKey: secret, nope: 1 }],
      ["/api/v1/webhooks", { name: "x", workflow: "nobody", secret }],
      ["/api/v1/users", { email: secret, password: secret, name: secret, role: "x" }],
      ["/api/v1/mcp-definitions", `{"name":"${secret}`],
    ] as const) {
      const headers: Record<string, string> = { "content-type": "application/json" };
      const request = { method: "POST", path, body, headers, as: "admin" as const };
      const answer = await world.send(request);
      expect([path, answer.status >= 400, answer.text.includes(secret)]).toEqual([path, true, false]);
    }
  });

  it("K18 another JWT_SECRET ends all tokens, and stored secrets still open", async () => {
    const { platform } = world;
    await platform.secrets.put(
      { actor: { type: "user", userId: ids.admin, name: "admin", role: "admin" }, origin: { requestId: "r", address: null } } as never,
      "K18_SECRET",
      { value: "still here" },
    );
    const rotated = { ...platform, keys: { ...platform.keys, jwtSecret: "another secret another secret another" } };
    const api = await startApi(rotated);
    try {
      const port = Number(new URL(api.address).port);
      for (const token of Object.values(world.tokens))
        expect((await sendRequest(port, { path: `${AUTH}/me`, token })).status).toBe(401);
      const { accessTokens } = createAuthServices(rotated);
      const [session] = await platform.knex("sessions").where({ user_id: ids.admin }).limit(1);
      const { accessToken } = accessTokens.issue({ userId: ids.admin, sessionId: session.id });
      expect((await sendRequest(port, { path: `${AUTH}/me`, token: accessToken })).status).toBe(200);
      expect(await rotated.secrets.readValues(["K18_SECRET"])).toEqual({ K18_SECRET: "still here" });
    } finally {
      await api.close();
    }
  });
});
