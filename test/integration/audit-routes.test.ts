import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Api, startApi } from "../../src/api.js";
import { newId } from "../../src/core/ids.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { sendRequest, type TestResponse } from "../support/http-client.js";
import { openTestPlatform } from "../support/open-test-platform.js";

type Test = Awaited<ReturnType<typeof openTestPlatform>>;
let test: Test;
let api: Api;
let token: string;
const V1 = "/api/v1";
const PASSWORD = "correct horse battery";
const NEW_PASSWORD = "another horse battery";

/** Rows that nobody changes on purpose: what follows from a change, and what is kept of reads. */
const DERIVED = /^(?:action_logs|audit_checkpoints|idempotency_keys|rate_limits|leaders|workers|test_.*)$/;
/** They change nothing that is Headrace's: no entry is owed for what they do when it is done. */
const HARMLESS = new Set([
  "POST /workflow-definitions/validate",
  "POST /external-db-configs/{id}/test",
  "POST /llm-providers/{id}/test",
  // a new pair of tokens for a session whose beginning and end are in the log; reuse of a spent one is, too
  "POST /auth/refresh",
]);

/** Every statement on every table is noted with its transaction. */
const WATCH = `
  CREATE TABLE test_changes (at bigserial, tx xid8, name text);
  CREATE FUNCTION test_note() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE is_empty boolean;
    BEGIN
      IF TG_OP = 'DELETE' THEN SELECT NOT EXISTS (SELECT FROM old_rows) INTO is_empty;
      ELSE SELECT NOT EXISTS (SELECT FROM new_rows) INTO is_empty; END IF;
      IF NOT is_empty THEN INSERT INTO test_changes (tx, name) VALUES (pg_current_xact_id(), TG_TABLE_NAME); END IF;
      RETURN NULL;
    END $$;
  DO $$ DECLARE each regclass; BEGIN
    FOR each IN SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'test_changes'
    LOOP
      EXECUTE format('CREATE TRIGGER test_i AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION test_note()', each);
      EXECUTE format('CREATE TRIGGER test_u AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION test_note()', each);
      EXECUTE format('CREATE TRIGGER test_d AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION test_note()', each);
    END LOOP;
  END $$`;

const covered = new Set<string>();

interface Call {
  readonly route: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Tables with rows that are worked out for it beforehand, and mean nothing by themselves. */
  readonly workedOut?: RegExp;
}

/** Sends what the route wants, and demands an entry in every transaction that changed something. */
async function change({ route, params = {}, body, headers, workedOut }: Call): Promise<TestResponse> {
  const [method = "", template = ""] = route.split(" ");
  const path = Object.entries(params).reduce(
    (left, [name, value]) => left.replace(`{${name}}`, value),
    template,
  );
  await test.platform.knex("test_changes").delete();
  const answer = await sendRequest(Number(new URL(api.address).port), {
    ...{ method, token, path: template.startsWith("/hooks") ? path : V1 + path },
    ...(body === undefined ? {} : { body }),
    ...(headers ? { headers } : {}),
  });
  expect([route, answer.status, answer.status < 300 ? "" : answer.text]).toEqual([route, answer.status, ""]);
  const rows: { tx: string; name: string }[] = await test.platform.knex("test_changes").select("tx", "name");
  const audited = new Set(rows.filter(({ name }) => name === "action_logs").map(({ tx }) => tx));
  const changed = rows.filter(({ name }) => !DERIVED.test(name) && !workedOut?.test(name));
  const unaudited = changed.filter(({ tx }) => !audited.has(tx)).map(({ name }) => name);
  if (!HARMLESS.has(route)) {
    expect([route, [...new Set(unaudited)]]).toEqual([route, []]);
    expect([route, audited.size]).not.toEqual([route, 0]);
  }
  covered.add(route);
  return answer;
}

const idOf = (answer: TestResponse) => String(answer.body["id"]);

async function addAdmin(): Promise<void> {
  const { knex, audit, keys } = test.platform;
  const auth = createAuthServices({ knex, audit, keys });
  const id = newId();
  await knex("users").insert({
    ...{ id, email: "admin@example.com", name: "Admin", role: "admin" },
    password_hash: await auth.passwords.hash(PASSWORD),
  });
  const { sessionId } = await openSession(knex, id, null);
  token = auth.accessTokens.issue({ userId: id, sessionId }).accessToken;
}

async function publishWorkflow(name: string, steps: object[]): Promise<string> {
  return idOf(await change({ route: "POST /workflow-definitions", body: { name, definition: { steps } } }));
}

const WAIT = [{ id: "wait", uses: "builtin:wait", inputs: { seconds: { value: 600 } } }];

describe("the audit log over all routes", () => {
  beforeAll(async () => {
    test = await openTestPlatform({});
    api = await startApi(test.platform);
    await addAdmin();
    await test.platform.knex.raw(WATCH);
  });
  afterAll(async () => {
    await api.close();
    await test.close();
  });

  it("has users, keys and sessions", async () => {
    const email = "new@example.com";
    const user = await change({
      route: "POST /users",
      body: { email, name: "N", password: PASSWORD, role: "editor" },
    });
    const params = { id: idOf(user) };
    await change({ route: "PATCH /users/{id}", params, body: { role: "viewer" } });
    const signedIn = await change({ route: "POST /auth/login", body: { email, password: PASSWORD } });
    await change({ route: "POST /auth/refresh", body: { refreshToken: signedIn.body["refreshToken"] } });
    const mine = token;
    token = String(
      (await change({ route: "POST /auth/login", body: { email, password: PASSWORD } })).body["accessToken"],
    );
    const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    await change({ route: "POST /auth/password", body: passwords });
    await change({ route: "POST /auth/logout", body: {} });
    token = mine;
    const key = await change({ route: "POST /auth/api-keys", body: { name: "k" } });
    await change({ route: "DELETE /auth/api-keys/{id}", params: { id: idOf(key) } });
    await change({ route: "DELETE /users/{id}", params });
  });

  it("has secrets, databases, providers and budgets", async () => {
    await change({ route: "PUT /secrets/{name}", params: { name: "S" }, body: { value: "value" } });
    await change({ route: "DELETE /secrets/{name}", params: { name: "S" } });
    const file = { name: "file", dbType: "sqlite", databaseName: "audit.db" };
    const params = { id: idOf(await change({ route: "POST /external-db-configs", body: file })) };
    await change({ route: "PATCH /external-db-configs/{id}", params, body: { databaseName: "other.db" } });
    await change({ route: "POST /external-db-configs/{id}/test", params });
    const sql = { sql: "CREATE TABLE t (a int)", readOnly: false };
    await change({ route: "POST /external-db-configs/{id}/query", params, body: sql });
    await change({ route: "DELETE /external-db-configs/{id}", params });
    const llm = { name: "llm", baseUrl: "https://llm.example/v1", apiKey: "key-of-the-provider" };
    const provider = { id: idOf(await change({ route: "POST /llm-providers", body: llm })) };
    await change({ route: "PATCH /llm-providers/{id}", params: provider, body: { isDefault: true } });
    await change({ route: "POST /llm-providers/{id}/test", params: provider });
    await change({ route: "DELETE /llm-providers/{id}", params: provider });
    const limit = { name: "b", scope: "day", period: "day", maxCost: 1 };
    const budget = { id: idOf(await change({ route: "POST /llm-budgets", body: limit })) };
    await change({ route: "PATCH /llm-budgets/{id}", params: budget, body: { enabled: false } });
    await change({ route: "DELETE /llm-budgets/{id}", params: budget });
  });

  it("has components and workflows", async () => {
    const config = { type: "python_script", code: "x = 1" };
    const first = { version: "1.0.0", config };
    const mcp = await change({
      route: "POST /mcp-definitions",
      body: { name: "script", mcpType: "python_script", version: first },
    });
    const params = { id: idOf(mcp) };
    await change({ route: "PATCH /mcp-definitions/{id}", params, body: { description: "d" } });
    const version = { version: "1.1.0", config };
    const added = await change({ route: "POST /mcp-definitions/{id}/versions", params, body: version });
    await change({
      route: "POST /mcp-versions/{versionId}/test",
      params: { versionId: idOf(added) },
      body: { inputs: {} },
      workedOut: /^workflow_version/,
    });
    await change({ route: "POST /mcp-versions/{id}/deprecate", params: { id: idOf(added) } });
    await change({ route: "POST /workflow-definitions/validate", body: { definition: { steps: WAIT } } });
    const workflow = { id: await publishWorkflow("wf", WAIT) };
    const draft = {
      definition: { steps: [...WAIT, { id: "b", uses: "builtin:wait", inputs: { seconds: { value: 1 } } }] },
    };
    await change({
      route: "PATCH /workflow-definitions/{id}",
      params: workflow,
      body: { ...draft, draft: true },
    });
    const second = { ...workflow, n: "2" };
    await change({ route: "POST /workflow-definitions/{id}/versions/{n}/publish", params: second });
    await change({ route: "POST /workflow-definitions/{id}/pause", params: workflow });
    await change({ route: "POST /workflow-definitions/{id}/resume", params: workflow });
    await change({ route: "DELETE /workflow-definitions/{id}/cache", params: workflow });
    await change({ route: "DELETE /workflow-definitions/{id}", params: workflow });
    await change({ route: "DELETE /mcp-versions/{id}/cache", params: { id: idOf(added) } });
    await change({ route: "DELETE /mcp-definitions/{id}/cache", params });
    const unused = { name: "unused", mcpType: "python_script", version: first };
    const other = { id: idOf(await change({ route: "POST /mcp-definitions", body: unused })) };
    await change({ route: "DELETE /mcp-definitions/{id}", params: other });
  });

  it("has schedules and webhooks", async () => {
    await publishWorkflow("due", WAIT);
    const body = { name: "s", workflow: "due", everySeconds: 3_600 };
    const params = { id: idOf(await change({ route: "POST /schedules", body })) };
    await change({ route: "PATCH /schedules/{id}", params, body: { input: { a: 1 } } });
    for (const verb of ["pause", "resume", "trigger"])
      await change({ route: `POST /schedules/{id}/${verb}`, params });
    const to = new Date(Date.now() - 60_000).toISOString();
    const from = new Date(Date.now() - 3_900_000).toISOString();
    await change({ route: "POST /schedules/{id}/backfill", params, body: { from, to } });
    await change({ route: "DELETE /schedules/{id}", params });
    const hook = await change({ route: "POST /webhooks", body: { name: "h", workflow: "due" } });
    const webhook = { id: idOf(hook) };
    await change({ route: "PATCH /webhooks/{id}", params: webhook, body: { enabled: true } });
    await change({ route: "POST /webhooks/{id}/rotate", params: webhook });
    await change({ route: "DELETE /webhooks/{id}", params: webhook });
  });

  it("has what people do with runs", async () => {
    const steps = [{ id: "ask", uses: "builtin:approval", inputs: {} }];
    await publishWorkflow("ask", steps);
    const start = async () =>
      idOf(
        await change({
          route: "POST /workflow-runs",
          body: { workflow: "ask" },
          headers: { "idempotency-key": newId() },
        }),
      );
    const params = { id: await start() };
    await change({ route: "POST /workflow-runs/{id}/cancel", params });
    await change({ route: "POST /workflow-runs/{id}/rerun", params, body: { from: "start" } });
    await change({ route: "POST /workflow-runs/{id}/replay", params });
    await change({ route: "POST /workflow-runs/{id}/pin", params });
    await change({ route: "POST /workflow-runs/{id}/unpin", params });
    for (const verb of ["approve", "reject"]) {
      const runId = await start();
      // as a worker leaves it
      const approval = {
        roles: [],
        users: [],
        required: 1,
        allowSelfApproval: true,
        onExpiry: "reject",
        decisions: [],
      };
      await test.platform
        .knex("step_runs")
        .where("run_id", runId)
        .update({
          status: "waiting",
          approval: JSON.stringify(approval),
        });
      await test.platform.knex("workflow_runs").where("id", runId).update({ status: "waiting" });
      const step = { id: runId, stepId: "ask" };
      await change({ route: `POST /workflow-runs/{id}/steps/{stepId}/${verb}`, params: step, body: {} });
    }
    const bulk = { action: "cancel", filter: { workflow: "ask" } };
    const operation = await change({ route: "POST /workflow-runs/bulk", body: bulk });
    await change({ route: "POST /workflow-runs/bulk/{id}/cancel", params: { id: idOf(operation) } });
  });

  it("leaves no route out, and the chain holds", async () => {
    const { body } = await sendRequest(Number(new URL(api.address).port), { path: "/openapi.json", token });
    const paths = body["paths"] as unknown as Record<string, Record<string, unknown>>;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => !["get", "head", "parameters"].includes(method))
        .map((method) => `${method.toUpperCase()} ${path.replace(V1, "")}`),
    );
    // shown to be recorded by tests of their own
    const elsewhere = ["POST /hooks/{token}", "POST /apps/{id}/stop", "POST /mcp"];
    const isQuestion = (route: string) => / \/copilot\/|\/impact$/.test(route);
    const left = routes.filter(
      (route) => !covered.has(route) && !elsewhere.includes(route) && !isQuestion(route),
    );
    expect(left).toEqual([]);
    const verdict = await test.platform.audit.verify(AbortSignal.timeout(10_000));
    expect(verdict).toMatchObject({ valid: true, reason: null });
  });
});
