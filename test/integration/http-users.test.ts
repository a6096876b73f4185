import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startTestServer, TEST_PASSWORD, type TestServer, type TestUser } from "../support/test-server.js";

let server: TestServer;
const PATH = "/api/v1/users";

const create = async (fields: object = {}) =>
  await server.request({
    as: "admin",
    method: "POST",
    path: PATH,
    body: {
      email: `u${Math.random()}@example.com`,
      name: "Someone",
      role: "viewer",
      password: "password 1",
      ...fields,
    },
  });
const patch = async (id: string, body: object, headers: Record<string, string> = {}) =>
  await server.request({ as: "admin", method: "PATCH", path: `${PATH}/${id}`, body, headers });
const login = async (user: Pick<TestUser, "email">, password = TEST_PASSWORD) =>
  await server.request({
    as: null,
    method: "POST",
    path: "/api/v1/auth/login",
    body: { email: user.email, password },
  });
const me = async (token: string) => (await server.request({ path: "/api/v1/auth/me", token })).status;

describe("users", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(async () => {
    await server.close();
  });

  it("are added, shown, listed, changed and removed", async () => {
    const made = await create({ email: "Ann@Example.com", name: " Ann " });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      email: "Ann@Example.com",
      name: "Ann",
      role: "viewer",
      isActive: true,
      revision: 1,
    });
    expect(made.body["id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.body["createdAt"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(made.text).not.toMatch(/hash|argon/i);
    const path = String(made.headers.location);
    expect((await server.request({ as: "admin", path })).body).toEqual(made.body);
    expect((await login({ email: "ann@example.COM" }, "password 1")).status).toBe(200);
    const changed = await patch(String(made.body["id"]), { name: "Anna", role: "editor" });
    expect(changed.body).toMatchObject({ name: "Anna", role: "editor", revision: 2 });
    expect((await server.request({ as: "admin", method: "DELETE", path })).status).toBe(204);
    expect((await server.request({ as: "admin", path })).status).toBe(404);
    const logged = await server.knex("action_logs").where({ entity_id: made.body["id"] }).orderBy("seq");
    expect(logged.map((row) => row.action)).toEqual(["user.create", "user.update", "user.delete"]);
    expect(JSON.stringify(logged)).not.toMatch(/password 1|argon2/);
  });

  it("come in pages, newest first", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift(String((await create()).body["id"]));
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? "?limit=2" : `?limit=2&cursor=${cursor}`;
      const page = await server.request({ as: "admin", path: PATH + query });
      expect(page.status).toBe(200);
      seen.push(...(page.body["items"] as unknown as { id: string }[]).map((user) => user.id));
      cursor = page.body["nextCursor"] as unknown as string | null;
    }
    expect(seen.slice(0, 5)).toEqual(ids);
    expect(new Set(seen).size).toBe(seen.length);
    for (const bad of ["x", "' OR 1=1--", Buffer.from("nonsense").toString("base64url")]) {
      const response = await server.request({
        as: "admin",
        path: `${PATH}?cursor=${encodeURIComponent(bad)}`,
      });
      expect([bad, response.status]).toEqual([bad, 422]);
    }
  });

  it("409 for an address that is taken, also in a race", async () => {
    const fields = { email: "race@example.com" };
    const statuses = (await Promise.all([create(fields), create({ email: "RACE@example.com" })])).map(
      (made) => made.status,
    );
    expect(statuses.sort()).toEqual([201, 409]);
    const other = await create();
    const taken = await patch(String(other.body["id"]), fields);
    expect(taken.status).toBe(409);
    expect(taken.body["errors"]).toEqual([{ path: "/email", message: "is taken" }]);
  });

  it("422 with every fault", async () => {
    const response = await create({ email: "nobody", name: "", role: "king", password: "short" });
    expect(response.status).toBe(422);
    const faults = response.body["errors"] as unknown as { path: string }[];
    expect(faults.map((fault) => fault.path).sort()).toEqual(["/email", "/name", "/password", "/role"]);
    expect(response.text).not.toContain("short");
  });

  it("412 for a stale revision, 422 for what is none", async () => {
    const { id } = (await create()).body as unknown as { id: string };
    expect((await patch(id, { name: "B" }, { "if-match": '"0"' })).status).toBe(412);
    expect((await patch(id, { name: "B" }, { "if-match": '"1"' })).status).toBe(200);
    expect((await patch(id, { name: "C" }, { "if-match": '"1"' })).status).toBe(412);
    expect((await patch(id, { name: "C" }, { "if-match": "*" })).status).toBe(200);
    expect((await patch(id, { name: "C" }, { "if-match": "abc" })).status).toBe(422);
  });

  it("K13 a lowered role holds at the next request", async () => {
    const user = await server.addUser("admin", "lowered@example.com");
    expect((await server.request({ path: PATH, token: user.token })).status).toBe(200);
    expect((await patch(user.id, { role: "viewer" })).status).toBe(200);
    expect((await server.request({ path: PATH, token: user.token })).status).toBe(403);
  });

  it("K16 a changed password ends the other sessions, not the one that changed it", async () => {
    const user = await server.addUser("viewer", "changing@example.com");
    const other = (await login(user)).body as unknown as { accessToken: string };
    expect(await me(other.accessToken)).toBe(200);
    const change = async (currentPassword: string) =>
      await server.request({
        method: "POST",
        path: "/api/v1/auth/password",
        token: user.token,
        body: { currentPassword, newPassword: "a new password" },
      });
    const wrong = await change("wrong password");
    expect([wrong.status, wrong.body["errors"]]).toEqual([
      422,
      [{ path: "/currentPassword", message: "is not your password" }],
    ]);
    expect((await change(TEST_PASSWORD)).status).toBe(204);
    expect(await me(other.accessToken)).toBe(401);
    expect(await me(user.token)).toBe(200);
    expect((await login(user)).status).toBe(401);
    expect((await login(user, "a new password")).status).toBe(200);
  });

  it("an admin's own password is changed with the current one alone", async () => {
    const admin = await server.addUser("admin", "own-password@example.com");
    const own = {
      method: "PATCH",
      path: `${PATH}/${admin.id}`,
      token: admin.token,
      body: { password: "a new password" },
    };
    expect((await server.request(own)).status).toBe(422);
    expect((await login(admin)).status).toBe(200);
    expect(
      (await server.request({ as: "admin", method: "DELETE", path: `${PATH}/${admin.id}` })).status,
    ).toBe(204);
  });

  it("a password set by an admin ends all sessions of that person", async () => {
    const user = await server.addUser("viewer", "reset@example.com");
    expect(await me(user.token)).toBe(200);
    expect((await patch(user.id, { password: "set by admin" })).status).toBe(200);
    expect(await me(user.token)).toBe(401);
  });

  it("K12 a deactivated person cannot sign in", async () => {
    const user = await server.addUser("viewer", "inactive@example.com");
    expect((await patch(user.id, { isActive: false })).status).toBe(200);
    expect((await login(user)).status).toBe(401);
    expect((await patch(user.id, { isActive: true })).status).toBe(200);
    expect((await login(user)).status).toBe(200);
    expect(await me(user.token)).toBe(401);
  });

  it("K11 a deleted person's token is refused", async () => {
    const user = await server.addUser("viewer", "deleted@example.com");
    expect(await me(user.token)).toBe(200);
    expect((await server.request({ as: "admin", method: "DELETE", path: `${PATH}/${user.id}` })).status).toBe(
      204,
    );
    expect(await me(user.token)).toBe(401);
  });

  it("the last admin stays, also against two demotions at once", async () => {
    const admins = await server.knex("users").where({ role: "admin", is_active: true });
    expect(admins).toHaveLength(1);
    const { id } = server.users.admin;
    expect((await patch(id, { role: "viewer" })).status).toBe(409);
    expect((await patch(id, { isActive: false })).status).toBe(409);
    expect((await server.request({ as: "admin", method: "DELETE", path: `${PATH}/${id}` })).status).toBe(409);
    expect((await patch(id, { name: "Still admin" })).status).toBe(200);
    const second = await server.addUser("admin", "second@example.com");
    const demote = async (target: string, token: string) =>
      await server.request({ method: "PATCH", path: `${PATH}/${target}`, token, body: { role: "viewer" } });
    const both = await Promise.all([demote(id, server.users.admin.token), demote(second.id, second.token)]);
    expect(both.map((response) => response.status).sort()).toEqual([200, 409]);
    expect(await server.knex("users").where({ role: "admin", is_active: true })).toHaveLength(1);
  });
});
