import { createHash, generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import jsonwebtoken from "jsonwebtoken";
import { rotateRefreshToken } from "../../src/services/auth/sessions.js";
import { startTestServer, TEST_JWT_SECRET, TEST_PASSWORD, type TestServer } from "../support/test-server.js";

let server: TestServer;

interface SignedInBody {
  accessToken: string;
  refreshToken: string;
  user: { id: string; email: string };
}

async function login(email: string, password = TEST_PASSWORD) {
  const body = { email, password };
  return await server.request({ method: "POST", path: "/api/v1/auth/login", as: null, body });
}

async function signIn(email: string): Promise<SignedInBody> {
  const response = await login(email);
  expect(response.status).toBe(200);
  return response.body as unknown as SignedInBody;
}

async function refresh(refreshToken: string) {
  return await server.request({
    method: "POST",
    path: "/api/v1/auth/refresh",
    as: null,
    body: { refreshToken },
  });
}

const me = async (token: string) => await server.request({ path: "/api/v1/auth/me", token });
const entries = async (action: string) => await server.knex("action_logs").where({ action });
let counter = 0;
const newUser = async (role: "viewer" | "operator" | "editor" | "admin" = "editor") => {
  counter += 1;
  return await server.addUser(role, `person${counter}@example.com`);
};

describe("sign-in", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(async () => {
    await server.close();
  });

  describe("login", () => {
    it("gives tokens, the user and a cookie that no script can read", async () => {
      const response = await login("EDITOR@example.com");
      expect(response.status).toBe(200);
      expect(response.body).toMatchObject({
        tokenType: "Bearer",
        expiresIn: 900,
        user: { email: "editor@example.com", role: "editor" },
      });
      expect(response.text).not.toContain("passwordHash");
      const cookies = response.headers["set-cookie"] ?? [];
      expect(cookies).toHaveLength(3);
      for (const cookie of cookies) expect(cookie).toMatch(/HttpOnly.*SameSite=Strict/);
      expect(cookies[0]).toMatch(/^headrace_session=/);
      const answer = await me((response.body as unknown as SignedInBody).accessToken);
      expect(answer.body).toMatchObject({
        role: "editor",
        permissions: expect.arrayContaining(["run:start"]),
      });
    });

    it("says and takes the same for an unknown person as for a wrong password", async () => {
      const timed = async (email: string) => {
        const startedAt = performance.now();
        const response = await login(email, "wrong password");
        const { requestId: _id, ...problem } = response.body;
        return { ms: performance.now() - startedAt, status: response.status, problem };
      };
      const known: number[] = [];
      const unknown: number[] = [];
      for (let round = 0; round < 7; round += 1) {
        const right = await timed(server.users.viewer.email);
        const wrong = await timed("nobody@example.com");
        expect(right.status).toBe(401);
        expect(wrong.problem).toEqual(right.problem);
        known.push(right.ms);
        unknown.push(wrong.ms);
      }
      // both hash once, without that the unknown one takes a tenth; the quickest of each has the least noise
      expect(Math.min(...unknown) / Math.min(...known)).toBeGreaterThan(0.5);
    });

    it.each([
      ["an operator object", { email: { $ne: null }, password: "x" }, ["/email"]],
      ["arrays", { email: ["a@b.c"], password: ["x"] }, ["/email", "/password"]],
      ["a password of 1 MiB", { email: "a@b.c", password: "x".repeat(1024 * 1024) }, ["/password"]],
      ["nothing", {}, ["/email", "/password"]],
    ])("422: %s", async (_name, body, paths) => {
      const response = await server.request({ method: "POST", path: "/api/v1/auth/login", as: null, body });
      expect(response.status).toBe(422);
      expect((response.body["errors"] as unknown as { path: string }[]).map((fault) => fault.path)).toEqual(
        paths,
      );
    });

    it("cuts no password", async () => {
      const long = "ä".repeat(200);
      const body = { email: "long@example.com", name: "Long", role: "viewer", password: `${long}1` };
      expect(
        (await server.request({ as: "admin", method: "POST", path: "/api/v1/users", body })).status,
      ).toBe(201);
      expect((await login("long@example.com", `${long}2`)).status).toBe(401);
      expect((await login("long@example.com", `${long}1`)).status).toBe(200);
    });

    it("429 with Retry-After after ten wrong ones, whatever X-Forwarded-For says", async () => {
      const user = await newUser();
      const statuses: number[] = [];
      let retryAfter = "";
      for (let count = 0; count < 12; count += 1) {
        const response = await server.request({
          method: "POST",
          path: "/api/v1/auth/login",
          as: null,
          body: { email: user.email, password: "wrong" },
          headers: { "x-forwarded-for": `10.0.0.${count}` },
        });
        statuses.push(response.status);
        retryAfter = response.headers["retry-after"] ?? retryAfter;
      }
      expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
      expect(Number(retryAfter)).toBeGreaterThan(0);
      expect((await login(user.email)).status).toBe(429);
      expect((await login(server.users.operator.email)).status).toBe(200);
    });
  });

  describe("access tokens", () => {
    const claims = () => ({ typ: "access", sid: server.users.editor.sessionId });
    const options = () => ({
      subject: server.users.editor.id,
      issuer: "headrace",
      audience: "headrace-api",
      expiresIn: 900,
      algorithm: "HS256" as const,
    });
    const now = () => Math.floor(Date.now() / 1000);
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const forge = (header: object, payload: object) => `${encode(header)}.${encode(payload)}.`;
    const payload = () => ({
      ...claims(),
      sub: server.users.editor.id,
      iss: "headrace",
      aud: "headrace-api",
      iat: now(),
      exp: now() + 900,
    });
    const sign = (changes: object, header: object = {}) =>
      jsonwebtoken.sign({ ...payload(), ...changes }, TEST_JWT_SECRET, {
        algorithm: "HS256",
        header: { alg: "HS256", ...header },
      });
    const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 });

    it("takes the token that the forgeries below are made of", async () => {
      expect((await me(jsonwebtoken.sign(claims(), TEST_JWT_SECRET, options()))).status).toBe(200);
      expect((await me(sign({}))).status).toBe(200);
    });

    it.each<[string, () => string]>([
      ["K1 expired by 61 s", () => sign({ exp: now() - 61, iat: now() - 900 })],
      ["K1 no exp", () => jsonwebtoken.sign(without(payload(), "exp"), TEST_JWT_SECRET)],
      ["K1 nbf in future", () => sign({ nbf: now() + 600 })],
      ["K1 iat in 2099", () => sign({ iat: 4_070_908_800, exp: 4_070_909_000 })],
      ["K1 lives for a year", () => sign({ exp: now() + 365 * 86_400 })],
      ["K2 none", () => forge({ alg: "none", typ: "JWT" }, payload())],
      ["K2 None", () => forge({ alg: "None", typ: "JWT" }, payload())],
      ["K2 nOnE", () => forge({ alg: "nOnE", typ: "JWT" }, payload())],
      ["K2 HS256 with an empty signature", () => forge({ alg: "HS256", typ: "JWT" }, payload())],
      ["K3 another secret", () => jsonwebtoken.sign(payload(), "secret")],
      ["K4 RS256", () => jsonwebtoken.sign(payload(), publicKey.privateKey, { algorithm: "RS256" })],
      ["K4 HS512", () => jsonwebtoken.sign(payload(), TEST_JWT_SECRET, { algorithm: "HS512" })],
      ["K5 kid", () => sign({}, { kid: "../../dev/null" })],
      ["K5 jku", () => sign({}, { jku: "http://127.0.0.1/keys" })],
      ["K5 jwk", () => sign({}, { jwk: { kty: "oct", k: "c2VjcmV0" } })],
      ["K5 x5u", () => sign({}, { x5u: "http://127.0.0.1/cert" })],
      ["K6 another payload, same signature", () => tamper(sign({}))],
      ["K7 another issuer", () => sign({ iss: "elsewhere" })],
      ["K7 another audience", () => sign({ aud: "elsewhere" })],
      ["another type", () => sign({ typ: "refresh" })],
      ["a session of somebody else", () => sign({ sid: server.users.viewer.sessionId })],
      ["no session", () => jsonwebtoken.sign(without(payload(), "sid"), TEST_JWT_SECRET)],
      ["a session that is no UUID", () => sign({ sid: "' OR 1=1--" })],
      ["a refresh token", () => server.users.editor.refreshToken],
      ["garbage", () => "a.b.c"],
    ])("401: %s", async (_name, make) => {
      const response = await me(make());
      expect(response.status).toBe(401);
      expect(response.headers["www-authenticate"]).toContain("Bearer");
    });

    it("K5 control: its own kid is taken", async () => {
      const { kid } = jsonwebtoken.decode(server.users.editor.token, { complete: true })?.header ?? {};
      expect(kid).toMatch(/^[0-9a-f]{8}$/);
      expect((await me(sign({}, { kid }))).status).toBe(200);
    });

    it("401 for every other way to send credentials", async () => {
      const { token } = server.users.editor;
      const ask = async (path: string, headers: Record<string, string | string[]>) =>
        (await server.request({ path, as: null, headers })).status;
      const path = "/api/v1/auth/me";
      expect(await ask(path, { authorization: "Bearer" })).toBe(401);
      expect(await ask(path, { authorization: `Basic ${Buffer.from("a:b").toString("base64")}` })).toBe(401);
      expect(await ask(path, { authorization: [`Bearer ${token}`, `Bearer ${token}`] })).toBe(401);
      expect(await ask(path, { authorization: `Bearer ${token} ${token}` })).toBe(401);
      expect(await ask(`${path}?access_token=${token}`, {})).toBe(401);
      expect(await ask(path, { authorization: `Bearer ${"a".repeat(20_000)}` })).toBe(401);
      expect(await ask(path, { authorization: `Bearer ${"a".repeat(100_000)}` })).toBe(431);
    });

    function without(value: object, name: string): object {
      return Object.fromEntries(Object.entries(value).filter(([member]) => member !== name));
    }

    function tamper(token: string): string {
      const [header, , signature] = token.split(".");
      return `${header}.${encode({ ...payload(), sub: server.users.admin.id })}.${signature}`;
    }
  });

  describe("refresh", () => {
    it("rotates; K9 reuse of a spent token ends the family, with an audit entry", async () => {
      const user = await newUser();
      const first = await signIn(user.email);
      const second = await refresh(first.refreshToken);
      expect(second.status).toBe(200);
      const { refreshToken, accessToken } = second.body as unknown as SignedInBody;
      expect(refreshToken).not.toBe(first.refreshToken);
      expect((await me(accessToken)).status).toBe(200);
      expect((await refresh(first.refreshToken)).status).toBe(401);
      expect((await refresh(refreshToken)).status).toBe(401);
      expect((await me(accessToken)).status).toBe(401);
      expect((await entries("session.reuse")).filter((entry) => entry.actor_id === user.id)).toHaveLength(1);
    });

    it("K10 two at once end in one family, and nobody is thrown out", async () => {
      const user = await newUser();
      const { refreshToken } = await signIn(user.email);
      const answers = await Promise.all([
        refresh(refreshToken),
        refresh(refreshToken),
        refresh(refreshToken),
      ]);
      const won = answers
        .filter((answer) => answer.status === 200)
        .map((answer) => answer.body["refreshToken"]);
      expect(won.length).toBeGreaterThan(0);
      expect(new Set(won).size).toBe(1);
      const sessions = await server.knex("sessions").where({ user_id: user.id }).whereNull("revoked_at");
      expect(sessions).toHaveLength(2); // the one of the test user itself, and this one
      const unspent = await server
        .knex("refresh_tokens")
        .whereIn(
          "session_id",
          sessions.map((row) => row.id),
        )
        .whereNull("spent_at");
      expect(unspent).toHaveLength(2);
      expect((await refresh(String(won[0]))).status).toBe(200);
    });

    it("K10 in two processes: the slower one is refused and ends nothing", async () => {
      const user = await newUser();
      const { refreshToken } = await signIn(user.email);
      // another process, as far as this one can tell: it shares the database alone
      const rotate = async () =>
        await server.knex.transaction(async (trx) => await rotateRefreshToken(trx, refreshToken));
      const first = await server.knex.transaction();
      const second = await server.knex.transaction();
      await second.raw("SELECT 1");
      const won = await rotateRefreshToken(first, refreshToken);
      const slower = rotateRefreshToken(second, refreshToken);
      await first.commit();
      expect(won.outcome).toBe("rotated");
      expect((await slower).outcome).toBe("outrun");
      await second.commit();
      expect((await rotate()).outcome).toBe("reused");
    });

    it("401 for an access token, and for nonsense", async () => {
      expect((await refresh(server.users.editor.token)).status).toBe(401);
      expect((await refresh("hrr_nonsense")).status).toBe(401);
    });
  });

  describe("logout", () => {
    it("K8 ends the family of a refresh token", async () => {
      const { accessToken, refreshToken } = await signIn(server.users.editor.email);
      const response = await server.request({
        method: "POST",
        path: "/api/v1/auth/logout",
        token: accessToken,
        body: { refreshToken },
      });
      expect(response.status).toBe(204);
      expect(response.headers["set-cookie"]?.[0]).toMatch(/^headrace_session=; Max-Age=0/);
      expect((await me(accessToken)).status).toBe(401);
      expect((await refresh(refreshToken)).status).toBe(401);
    });

    it("works by the access token alone, and is 401 with nothing", async () => {
      const { accessToken, refreshToken } = await signIn(server.users.editor.email);
      const path = "/api/v1/auth/logout";
      expect((await server.request({ method: "POST", path, token: accessToken })).status).toBe(204);
      expect((await refresh(refreshToken)).status).toBe(401);
      expect((await server.request({ method: "POST", path, as: null })).status).toBe(401);
    });

    it("is felt by another process within five seconds", async () => {
      const { accessToken } = await signIn(server.users.editor.email);
      expect((await me(accessToken)).status).toBe(200);
      const { sid } = jsonwebtoken.decode(accessToken) as { sid: string };
      await server.knex("sessions").where({ id: sid }).update({ revoked_at: new Date() });
      const deadline = Date.now() + 5000;
      let { status } = await me(accessToken);
      while (status === 200 && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        ({ status } = await me(accessToken));
      }
      expect(status).toBe(401);
    });
  });

  describe("cookies", () => {
    const cookieOf = (token: string) => ({ cookie: `headrace_session=${token}` });
    const path = "/api/v1/auth/api-keys";
    const change = async (headers: Record<string, string>) =>
      (await server.request({ method: "POST", path, as: null, headers, body: { name: "by cookie" } })).status;

    it("vouch for reads", async () => {
      const headers = cookieOf(server.users.editor.token);
      expect((await server.request({ path: "/api/v1/auth/me", as: null, headers })).status).toBe(200);
      const planted = { cookie: `headrace_session=x; headrace_session=${server.users.editor.token}` };
      expect((await server.request({ path: "/api/v1/auth/me", as: null, headers: planted })).status).toBe(
        401,
      );
    });

    it("vouch for changes from our own pages alone", async () => {
      const cookie = cookieOf(server.users.editor.token);
      const csrf = { ...cookie, "x-headrace-csrf": "1" };
      const own = `http://127.0.0.1:${server.port}`;
      expect(await change(cookie)).toBe(403);
      expect(await change({ ...cookie, origin: own })).toBe(403);
      expect(await change(csrf)).toBe(403);
      expect(await change({ ...csrf, origin: "https://evil.example" })).toBe(403);
      expect(await change({ ...csrf, origin: "null" })).toBe(403);
      expect(await change({ ...csrf, origin: `http://127.0.0.1:${server.port + 1}` })).toBe(403);
      expect(await change({ ...csrf, origin: `${own}.evil.example` })).toBe(403);
      expect(await change({ ...csrf, origin: own })).toBe(201);
      expect(await change({ "x-headrace-csrf": "1", origin: own, cookie: "headrace_session=x" })).toBe(401);
    });

    it("refresh by cookie, from our own pages alone", async () => {
      const { refreshToken } = await signIn(server.users.editor.email);
      const headers = { cookie: `headrace_refresh=${refreshToken}` };
      const ask = async (more: Record<string, string>) =>
        await server.request({
          method: "POST",
          path: "/api/v1/auth/refresh",
          as: null,
          headers: { ...headers, ...more },
        });
      expect((await ask({})).status).toBe(403);
      const own = { "x-headrace-csrf": "1", origin: `http://127.0.0.1:${server.port}` };
      expect((await ask(own)).status).toBe(200);
    });

    it("are Secure behind a proxy that speaks TLS, if the proxy is trusted", async () => {
      const behind = await startTestServer({ environment: { TRUST_PROXY: "1" } });
      const body = { email: "editor@example.com", password: TEST_PASSWORD };
      const login = { method: "POST", path: "/api/v1/auth/login", as: null, body };
      try {
        const secure = await behind.request({ ...login, headers: { "x-forwarded-proto": "https" } });
        for (const cookie of secure.headers["set-cookie"] ?? [""]) expect(cookie).toContain("Secure");
        const plain = await behind.request(login);
        expect(plain.headers["set-cookie"]?.[0]).not.toContain("Secure");
      } finally {
        await behind.close();
      }
    });
  });

  describe("API keys", () => {
    const path = "/api/v1/auth/api-keys";
    const make = async (token: string, body: object) =>
      await server.request({ method: "POST", path, token, body });

    it("are shown once, stored as a hash, and note their use", async () => {
      const made = await make(server.users.editor.token, { name: "ci" });
      expect(made.status).toBe(201);
      const key = made.body["key"] as unknown as string;
      expect(key).toMatch(/^hr_[A-Za-z0-9_-]{43}$/);
      expect(made.headers.location).toBe(`${path}/${made.body["id"] as unknown as string}`);
      expect((await me(key)).status).toBe(200);
      const shown = await server.request({ path: String(made.headers.location) });
      expect(shown.body).toMatchObject({ name: "ci", role: "editor", prefix: key.slice(0, 10) });
      expect(shown.body["lastUsedAt"]).not.toBeNull();
      expect(shown.text).not.toContain(key);
      const dump =
        JSON.stringify(await server.knex("api_keys")) + JSON.stringify(await server.knex("action_logs"));
      expect(dump).not.toContain(key);
      const stored = await server
        .knex("api_keys")
        .where({ key_hash: createHash("sha256").update(key).digest() });
      expect(stored).toHaveLength(1);
    });

    it("K15 401 when revoked, expired, changed by one character, or in the query", async () => {
      const { token } = server.users.editor;
      const made = await make(token, {
        name: "short",
        expiresAt: new Date(Date.now() + 60_000).toISOString(),
      });
      const { key, id } = made.body as unknown as { key: string; id: string };
      expect((await me(key)).status).toBe(200);
      expect((await me(`${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`)).status).toBe(401);
      expect((await server.request({ path: `/api/v1/auth/me?key=${key}`, as: null })).status).toBe(401);
      await server
        .knex("api_keys")
        .where({ id })
        .update({ expires_at: new Date(Date.now() - 1000) });
      server.auth.principals.forget();
      expect((await me(key)).status).toBe(401);
      const other = await make(token, { name: "revoked" });
      const otherKey = other.body["key"] as unknown as string;
      expect((await me(otherKey)).status).toBe(200);
      expect((await server.request({ method: "DELETE", path: String(other.headers.location) })).status).toBe(
        204,
      );
      expect((await me(otherKey)).status).toBe(401);
      expect((await server.request({ path: String(other.headers.location) })).status).toBe(404);
    });

    it("K14 never exceed their owner", async () => {
      const user = await newUser("admin");
      const made = await make(user.token, { name: "strong" });
      const key = made.body["key"] as unknown as string;
      expect((await server.request({ path: "/api/v1/users", token: key })).status).toBe(200);
      const lowered = {
        as: "admin",
        method: "PATCH",
        path: `/api/v1/users/${user.id}`,
        body: { role: "viewer" },
      } as const;
      expect((await server.request(lowered)).status).toBe(200);
      expect((await server.request({ path: "/api/v1/users", token: key })).status).toBe(403);
      expect((await me(key)).body).toMatchObject({ role: "viewer" });
    });

    it("refuse more than one's own role, a past expiry, a bad name, other fields", async () => {
      const { token } = server.users.editor;
      expect((await make(token, { name: "x", role: "admin" })).status).toBe(403);
      expect((await make(token, { name: "x", expiresAt: "2020-01-01" })).status).toBe(422);
      expect((await make(token, { name: "x", expiresAt: "2027-02-30" })).status).toBe(422);
      expect((await make(token, { name: "" })).status).toBe(422);
      expect((await make(token, { name: "x".repeat(300) })).status).toBe(422);
      for (const field of ["id", "userId", "createdBy", "key"]) {
        expect((await make(token, { name: "x", [field]: "1" })).status).toBe(422);
      }
    });

    it("are narrowed by scopes, out of those of their role, and so are keys that they make", async () => {
      const { token } = server.users.editor;
      const narrow = await make(token, { name: "n", scopes: ["run:start", "api-key:own", "run:start"] });
      expect(narrow.body).toMatchObject({ role: "editor", scopes: ["api-key:own", "run:start"] });
      const key = String(narrow.body["key"]);
      expect((await me(key)).body).toMatchObject({ permissions: ["api-key:own", "run:start"] });
      expect((await server.request({ path: "/api/v1/secrets", token: key })).status).toBe(403);
      expect((await make(key, { name: "child" })).body).toMatchObject({
        scopes: ["api-key:own", "run:start"],
      });
      expect((await make(key, { name: "child", scopes: ["run:cancel"] })).status).toBe(403);
      expect((await make(key, { name: "child", role: "viewer" })).body).toMatchObject({
        scopes: ["api-key:own"],
      });
      expect((await make(token, { name: "x", role: "viewer", scopes: ["run:start"] })).status).toBe(422);
      expect((await make(token, { name: "x", scopes: ["user:manage"] })).status).toBe(422);
      expect((await make(token, { name: "x", scopes: ["nonsense"] })).status).toBe(422);
      expect((await make(token, { name: "x", scopes: [] })).status).toBe(422);
      expect((await make(token, { name: "wide" })).body["scopes"]).toBeNull();
    });

    it("a key made with a key does not outlive it", async () => {
      const expiresAt = new Date(Date.now() + 3600_000).toISOString();
      const parent = await make(server.users.editor.token, { name: "parent", role: "operator", expiresAt });
      const key = parent.body["key"] as unknown as string;
      expect((await make(key, { name: "child" })).body).toMatchObject({ role: "operator", expiresAt });
      expect((await make(key, { name: "child", role: "editor" })).status).toBe(403);
    });

    it("are others' business for admins alone", async () => {
      const made = await make(server.users.editor.token, { name: "mine" });
      const keyPath = String(made.headers.location);
      for (const as of ["viewer", "operator"] as const) {
        expect((await server.request({ as, path: keyPath })).status).toBe(404);
        expect((await server.request({ as, method: "DELETE", path: keyPath })).status).toBe(404);
        expect((await server.request({ as, path })).text).not.toContain(made.body["id"] as unknown as string);
      }
      expect((await server.request({ as: "admin", path: keyPath })).status).toBe(200);
      expect((await server.request({ as: "admin", method: "DELETE", path: keyPath })).status).toBe(204);
    });
  });
});
