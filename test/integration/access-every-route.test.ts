import { readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Api, startApi } from "../../src/api.js";
import { newId } from "../../src/core/ids.js";
import { type Role, ROLES } from "../../src/core/permissions.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { listOperations, mayCall, type Operation, renderAccessMatrix } from "../support/access-matrix.js";
import { makeBadTokens } from "../support/bad-tokens.js";
import { openTestPlatform, type TestPlatform } from "../support/open-test-platform.js";

const PAGE = fileURLToPath(new URL("../../docs/access-matrix.md", import.meta.url));
/** Names nothing: whoever is allowed gets 404 or 422, never 401 or 403. */
const NOBODY = "0193d5a1-7b1c-7000-8000-0000000000ff";
/** What is not in the route table, with the weakest role that gets further. */
const BESIDE: readonly (Operation & { readonly weakest: Role })[] = [
  { method: "GET", path: "/admin/queues", permission: "queue:read", takesBody: false, weakest: "operator" },
  {
    method: "GET",
    path: "/admin/queues/api/queues",
    permission: "queue:read",
    takesBody: false,
    weakest: "operator",
  },
  { method: "GET", path: "/apps/{id}/", permission: "app:read", takesBody: false, weakest: "viewer" },
  { method: "POST", path: "/apps/{id}/x", permission: "app:read", takesBody: false, weakest: "viewer" },
];
/** The weakest role of what must not be given away by a slip in the table of permissions. */
const DEMANDED: readonly (readonly [RegExp, Role])[] = [
  [
    /^GET \/api\/v1\/(workflow-runs|mcp-definitions|workflow-definitions|schedules|webhooks)(\/\{id\})?$/,
    "viewer",
  ],
  [
    /^GET \/api\/v1\/(secrets|external-db-configs|dashboard\/\w+|stream|workflow-runs\/\{id\}\/\w+)$/,
    "viewer",
  ],
  [/^POST \/api\/v1\/workflow-definitions\/validate$/, "viewer"],
  [/^POST \/api\/v1\/workflow-runs(\/\{id\}\/(cancel|rerun|replay))?$/, "operator"],
  [/^POST \/api\/v1\/workflow-runs\/\{id\}\/steps\/\{stepId\}\/(approve|reject)$/, "operator"],
  [/^POST \/api\/v1\/schedules\/\{id\}\/(pause|resume|trigger)$/, "operator"],
  [/^POST \/api\/v1\/mcp-versions\/\{\w+\}\/test$/, "operator"],
  [
    /^(POST|PATCH|DELETE) \/api\/v1\/(schedules|webhooks|workflow-definitions|mcp-definitions)(\/\{id\})?$/,
    "editor",
  ],
  [/^POST \/api\/v1\/mcp-definitions\/\{id\}\/versions$/, "editor"],
  [/^POST \/api\/v1\/mcp-versions\/\{\w+\}\/deprecate$/, "editor"],
  [/^GET \/api\/v1\/mcp-versions\/\{\w+\}\/tools$/, "editor"],
  [/^(POST|PATCH|DELETE) \/api\/v1\/external-db-configs(\/\{id\})?$/, "editor"],
  [/^(POST|GET) \/api\/v1\/external-db-configs\/\{id\}\/(test|query|schema)$/, "editor"],
  [/^(PUT|DELETE) \/api\/v1\/secrets\/\{name\}$/, "editor"],
  [/^POST \/api\/v1\/copilot\//, "editor"],
  [/^(GET|POST|PATCH|DELETE) \/api\/v1\/users(\/\{id\})?$/, "admin"],
  [/^GET \/api\/v1\/action-logs/, "admin"],
  [/^(POST|PATCH|PUT|DELETE) \/api\/v1\/llm-(providers|budgets)/, "admin"],
];

let opened: TestPlatform;
let api: Api;
let operations: Operation[];
let tokens: Record<Role, string>;
let refused: Record<string, string | undefined>;

async function addUser(role: Role, email: string) {
  const { knex } = opened.platform;
  const id = newId();
  await knex("users").insert({ id, email, name: role, role });
  const { sessionId } = await openSession(knex, id, null);
  const auth = createAuthServices(opened.platform);
  return { id, sessionId, auth, token: auth.accessTokens.issue({ userId: id, sessionId }).accessToken };
}

/** The status alone: a stream's answer is not waited for. */
async function ask(operation: Operation, token: string | undefined, cookie?: string): Promise<number> {
  const { method, path, takesBody } = operation;
  const body = takesBody ? JSON.stringify({ surely: "no such field" }) : undefined;
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(cookie === undefined ? {} : { cookie: `headrace_session=${cookie}` }),
    ...(body === undefined
      ? {}
      : { "content-type": "application/json", "content-length": String(body.length) }),
  };
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === "name" ? "NO_SUCH_SECRET" : NOBODY,
  );
  return await new Promise((resolve, reject) => {
    const request = httpRequest(`${api.address}${target}`, { method, headers }, (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    request.on("error", reject);
    request.end(body);
  });
}

const label = ({ method, path }: Operation) => `${method} ${path}`;
const guarded = () => [...operations, ...BESIDE].filter(({ permission }) => permission !== "public");

/** How many rows each table has, but for those that looking itself changes. */
async function countRows(): Promise<Record<string, number>> {
  const { knex } = opened.platform;
  const { rows } = await knex.raw<{ rows: { schema: string; name: string }[] }>(
    `SELECT schemaname AS schema, tablename AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename NOT IN ('rate_limits')`,
  );
  const counts: Record<string, number> = {};
  for (const { schema, name } of rows) {
    const result = await knex.raw("SELECT count(*)::int AS count FROM ??.??", [schema, name]);
    counts[`${schema}.${name}`] = result.rows[0].count;
  }
  return counts;
}

describe("every route", () => {
  beforeAll(async () => {
    opened = await openTestPlatform({ LOG_LEVEL: "fatal" });
    api = await startApi(opened.platform);
    operations = listOperations(await (await fetch(`${api.address}/openapi.json`)).json());
    const users = {} as Record<Role, Awaited<ReturnType<typeof addUser>>>;
    for (const role of ROLES) users[role] = await addUser(role, `${role}@example.com`);
    tokens = {
      viewer: users.viewer.token,
      operator: users.operator.token,
      editor: users.editor.token,
      admin: users.admin.token,
    };
    refused = {
      nothing: undefined,
      ...makeBadTokens(tokens.admin, opened.platform.keys.jwtSecret),
      ...(await makeDeadTokens()),
    };
  });
  afterAll(async () => {
    await api.close();
    await opened.close();
  });

  /** Tokens that were good: signed out, deactivated, deleted, revoked, expired. */
  async function makeDeadTokens(): Promise<Record<string, string>> {
    const { knex } = opened.platform;
    const [out, inactive, deleted, owner] = await Promise.all(
      ["out", "inactive", "deleted", "owner"].map(
        async (name) => await addUser("admin", `${name}@example.com`),
      ),
    );
    if (!out || !inactive || !deleted || !owner) throw new Error("no users");
    const origin = { requestId: "test", address: null };
    const keyOf = async (user: typeof out, name: string) => {
      const actor = { type: "user", userId: user.id, name, role: "admin" } as const;
      return await user.auth.apiKeys.create(actor, origin, { name });
    };
    const revoked = await keyOf(owner, "revoked");
    const expired = await keyOf(owner, "expired");
    const ofInactive = await keyOf(inactive, "of a deactivated person");
    const ofDeleted = await keyOf(deleted, "of a deleted person");
    await knex("sessions").where("id", out.sessionId).update({ revoked_at: new Date() });
    await knex("users").where("id", inactive.id).update({ is_active: false });
    await knex("users").where("id", deleted.id).delete();
    await knex("api_keys").where("id", revoked.id).update({ revoked_at: new Date() });
    await knex("api_keys")
      .where("id", expired.id)
      .update({ expires_at: new Date(Date.now() - 1000) });
    return {
      "K8 signed out": out.token,
      "K11 deleted": deleted.token,
      "K11 key of a deleted person": ofDeleted.key,
      "K12 deactivated": inactive.token,
      "K12 key of a deactivated person": ofInactive.key,
      "K15 revoked key": revoked.key,
      "K15 expired key": expired.key,
    };
  }

  it("is known: the table has what the API is made of", () => {
    expect(operations.length).toBeGreaterThan(80);
    for (const [pattern] of DEMANDED.filter(([pattern]) => !pattern.source.includes("copilot")))
      expect([pattern.source, operations.some((operation) => pattern.test(label(operation)))]).toEqual([
        pattern.source,
        true,
      ]);
  });

  it("stands in docs/access-matrix.md as it is", () => {
    const page = renderAccessMatrix(operations);
    if (process.env["WRITE_ACCESS_MATRIX"]) writeFileSync(PAGE, page);
    // npm run access-matrix writes it anew
    expect(readFileSync(PAGE, "utf8")).toBe(page);
  });

  it("refuses every credential that is none, by bearer and by cookie", async () => {
    const byCookie = ["K1 expired", "K2 alg none", "K6 tampered", "K8 signed out", "K12 deactivated"];
    for (const operation of guarded()) {
      const answers = await Promise.all([
        ...Object.entries(refused).map(async ([what, token]) => [what, await ask(operation, token)]),
        ...byCookie.map(async (what) => [what, await ask(operation, undefined, refused[what])]),
      ]);
      const opened = answers.filter(([, status]) => status !== 401);
      expect([label(operation), opened]).toEqual([label(operation), []]);
    }
    expect(Object.keys(refused).length).toBeGreaterThan(25);
    expect(byCookie.every((what) => refused[what] !== undefined)).toBe(true);
  }, 240_000);

  it.each(ROLES)(
    "gives %s what the table says, no more and no less",
    async (role) => {
      for (const operation of guarded()) {
        const status = await ask(operation, tokens[role]);
        const isAllowed = mayCall(role, operation);
        const found = [label(operation), status === 401 || status === 403 ? status : "allowed"];
        expect(found).toEqual([label(operation), isAllowed ? "allowed" : 403]);
        expect([label(operation), status < 500 || status === 503]).toEqual([label(operation), true]);
      }
    },
    240_000,
  );

  it("gives nobody what the matrix of roles does not", () => {
    for (const operation of operations) {
      const line = DEMANDED.find(([pattern]) => pattern.test(label(operation)));
      if (!line) continue;
      const found = [label(operation), ROLES.find((role) => mayCall(role, operation))];
      expect(found).toEqual([label(operation), line[1]]);
    }
  });

  it("has no way to read a secret's or a database's credentials", () => {
    const reads = operations.filter(({ method, path }) => method === "GET" && /secret/.test(path)).map(label);
    expect(reads.sort()).toEqual(["GET /api/v1/secrets", "GET /api/v1/secrets/{name}"]);
  });

  it("leaves of each denied change one audit entry, and no row or job", async () => {
    const before = await countRows();
    let denied = 0;
    for (const role of ROLES) {
      for (const operation of operations) {
        if (mayCall(role, operation) || operation.method === "GET") continue;
        expect(await ask(operation, tokens[role])).toBe(403);
        if (!["definition:validate", "copilot:use"].includes(operation.permission)) denied += 1;
      }
    }
    expect(denied).toBeGreaterThan(60);
    const after = await countRows();
    const changed = Object.entries(after).filter(([name, count]) => count !== before[name]);
    expect(changed).toEqual([["public.action_logs", (before["public.action_logs"] ?? 0) + denied]]);
  }, 120_000);

  it("holds for an API key as for its person, and less where scopes narrow it", async () => {
    const user = await addUser("editor", "scoped@example.com");
    const actor = { type: "user", userId: user.id, name: "scoped", role: "editor" } as const;
    const origin = { requestId: "test", address: null };
    const scopes = ["definition:read", "run:start"] as const;
    const { key } = await user.auth.apiKeys.create(actor, origin, { name: "narrow", scopes: [...scopes] });
    for (const operation of guarded()) {
      const status = await ask(operation, key);
      const isAllowed =
        operation.permission === "authenticated" ||
        (scopes as readonly string[]).includes(operation.permission);
      const found = [label(operation), status === 401 || status === 403 ? status : "allowed"];
      // one's own password is changed by the person alone
      const isPassword = label(operation) === "POST /api/v1/auth/password";
      if (!isPassword) expect(found).toEqual([label(operation), isAllowed ? "allowed" : 403]);
    }
  }, 60_000);
});
