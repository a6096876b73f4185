import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { ROLES } from "../../src/core/permissions.js";
import { tidyDeliveries } from "../../src/services/webhooks/delivery-log.js";
import { faultPaths } from "../support/definitions-server.js";
import { MAX_BODY_BYTES, sign, startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

const WEBHOOKS = "/api/v1/webhooks";
const INPUTS = {
  type: "object",
  properties: { order: { type: "integer" } },
  required: ["order"],
  additionalProperties: false,
};
/** Nothing to mend by it: a loop that only its time limit ends. */
const ENDLESS = "($loop := function() { $loop() }; $loop())";

let api: WebhooksApi;
let workflow: string;

const runsOf = async (webhook: { [name: string]: unknown }) =>
  await api.platform
    .knex("workflow_runs")
    .where("created_by_name", `webhook ${String(webhook["name"])}`)
    .orderBy("id");
const deliveriesOf = async (webhook: { [name: string]: unknown }, query = "") => {
  const path = `${WEBHOOKS}/${String(webhook["id"])}/deliveries${query}`;
  const { body } = await api.request({ as: "viewer", path });
  return body["items"] as unknown as { outcome: string; status: number; runId: string; reason: string }[];
};
const change = async (webhook: { [name: string]: unknown }, body: object, headers = {}) =>
  await api.request({ method: "PATCH", path: `${WEBHOOKS}/${String(webhook["id"])}`, body, headers });

describe("webhooks", () => {
  beforeAll(async () => {
    api = await startWebhooksApi();
    workflow = await api.addWorkflow();
  });
  afterAll(async () => await api.close());

  describe("the resource", () => {
    it("is made with a token that is shown once and stored as a digest", async () => {
      const name = `GitHub ${newId()}`;
      const made = await api.request({
        method: "POST",
        path: WEBHOOKS,
        body: { name, workflow, secret: "the secret" },
      });
      expect(made.status).toBe(201);
      const { id, token, url, ...rest } = made.body;
      expect(made.headers.location).toBe(`${WEBHOOKS}/${String(id)}`);
      expect(url).toBe(`/hooks/${String(token)}`);
      expect(String(token)).toMatch(/^hrw_[A-Za-z0-9_-]{43}$/);
      expect(rest).toMatchObject({
        name,
        workflow,
        version: null,
        enabled: true,
        hasSecret: true,
        filter: null,
        input: null,
        mode: "accepted",
        waitSeconds: 30,
        revision: 1,
      });
      expect(rest).not.toHaveProperty("secret");
      const shown = await api.request({ as: "viewer", path: `${WEBHOOKS}/${String(id)}` });
      expect(shown.body).toEqual({ id, ...rest });
      const listed = await api.request({ as: "viewer", path: `${WEBHOOKS}?limit=1` });
      expect(listed.body["items"]).toEqual([{ id, ...rest }]);
      const ofIt = await api.request({ as: "viewer", path: `${WEBHOOKS}?workflow=${workflow}` });
      expect(ofIt.body["items"]).toEqual(listed.body["items"]);
      const ofOther = await api.request({ as: "viewer", path: `${WEBHOOKS}?workflow=no-such-workflow` });
      expect(ofOther.body["items"]).toEqual([]);
      const stored = await api.platform.knex("webhooks").where("id", String(id)).first();
      const log = await api.platform.knex("action_logs").where("entity_id", String(id));
      for (const text of [JSON.stringify(stored), JSON.stringify(log), stored.secret_ciphertext.toString()]) {
        expect(text).not.toContain(String(token));
        expect(text).not.toContain("the secret");
      }
    });

    it("changes, rotates and goes, each with an audit entry", async () => {
      const made = await api.addWebhook({ workflow });
      const first = await change(made, { filter: "body.a", mode: "wait" }, { "if-match": '"1"' });
      expect(first).toMatchObject({ status: 200, body: { revision: 2, filter: "body.a", mode: "wait" } });
      expect((await change(made, { enabled: false }, { "if-match": '"1"' })).status).toBe(412);
      const secret = await change(made, { generateSecret: true, filter: null });
      expect(secret.body).toMatchObject({ hasSecret: true, filter: null, mode: "wait" });
      expect(String(secret.body["secret"]).length).toBeGreaterThanOrEqual(43);
      expect((await change(made, { secret: null })).body).toMatchObject({ hasSecret: false });
      const path = `${WEBHOOKS}/${String(made["id"])}`;
      const rotated = await api.request({ method: "POST", path: `${path}/rotate` });
      expect(rotated.status).toBe(200);
      expect(rotated.body["token"]).not.toBe(made["token"]);
      expect((await change(made, { mode: "accepted" })).status).toBe(200);
      expect((await api.deliver(made["url"], { order: 1 })).status).toBe(404);
      expect((await api.deliver(rotated.body["url"], { order: 1 })).status).toBe(202);
      expect((await api.request({ method: "DELETE", path })).status).toBe(204);
      expect((await api.request({ path })).status).toBe(404);
      expect((await api.deliver(rotated.body["url"], { order: 1 })).status).toBe(404);
      const entries = await api.platform
        .knex("action_logs")
        .where({ entity_id: String(made["id"]), outcome: "succeeded" })
        .orderBy("seq");
      expect(entries.map((entry) => entry.action)).toEqual([
        "webhook.create",
        "webhook.update",
        "webhook.update",
        "webhook.update",
        "webhook.rotate",
        "webhook.update",
        "webhook.delete",
      ]);
      const log = JSON.stringify(entries);
      for (const hidden of [made["token"], rotated.body["token"], secret.body["secret"]]) {
        expect(log).not.toContain(String(hidden));
      }
    });

    it("refuses with every fault at once", async () => {
      const ask = async (body: object) => {
        const answer = await api.request({ method: "POST", path: WEBHOOKS, body });
        return [answer.status, faultPaths(answer.body)];
      };
      const good = { name: `hook ${newId()}`, workflow };
      expect(await ask({})).toEqual([422, ["/name", "/workflow"]]);
      expect(await ask({ name: "", workflow: "", mode: "later", waitSeconds: 61, enabled: 1 })).toEqual([
        422,
        ["/enabled", "/mode", "/name", "/waitSeconds", "/workflow"],
      ]);
      expect(await ask({ ...good, id: "x", token: "x", createdBy: "x", revision: 3 })).toEqual([
        422,
        ["/createdBy", "/id", "/revision", "/token"],
      ]);
      expect(await ask({ ...good, secret: "", version: 0 })).toEqual([422, ["/secret", "/version"]]);
      expect(await ask({ ...good, secret: "x", generateSecret: true })).toEqual([422, ["/generateSecret"]]);
      expect(await ask({ ...good, workflow: "no-such", filter: "body.(" })).toEqual([
        422,
        ["/filter", "/workflow"],
      ]);
      expect(await ask({ ...good, version: 99 })).toEqual([422, ["/version"]]);
      const input = {
        pointer: { body: "a/b" },
        header: { header: "a b" },
        cookie: { header: "Cookie" },
        none: {},
        two: { body: "", query: "x" },
        step: { step: "a", output: "" },
      };
      const [status, paths] = await ask({ ...good, input });
      expect(status).toBe(422);
      expect(new Set((paths as string[]).map((path) => path.split("/")[2]))).toEqual(
        new Set(Object.keys(input)),
      );
      const expressions = { a: { expression: "steps.x.output" }, b: { expression: "secrets.X" } };
      expect(await ask({ ...good, input: expressions, filter: "input.a = 1 and /(/" })).toEqual([
        422,
        ["/filter", "/input/a/expression", "/input/b/expression"],
      ]);
      expect(await api.platform.knex("webhooks").where("name", good.name)).toEqual([]);
      await api.addWebhook(good);
      expect(await ask(good)).toEqual([409, ["/name"]]);
    });

    it("judges a change as strictly, and a version together with its workflow", async () => {
      const made = await api.addWebhook({ workflow, version: 1 });
      const ask = async (body: object) => {
        const answer = await change(made, body);
        return [answer.status, faultPaths(answer.body)];
      };
      expect(await ask({ workflow: "no-such" })).toEqual([422, ["/workflow"]]);
      expect(await ask({ version: 2, filter: "(" })).toEqual([422, ["/filter", "/version"]]);
      expect(await ask({ name: null })).toEqual([422, ["/name"]]);
      expect((await change(made, {})).body).toMatchObject({ mode: "accepted", version: 1, revision: 2 });
      expect((await change(made, { version: null })).body).toMatchObject({ version: null });
    });

    it("keeps to the roles", async () => {
      const made = await api.addWebhook({ workflow });
      const id = String(made["id"]);
      const matrix: [string, string, object | undefined, number[]][] = [
        ["GET", WEBHOOKS, undefined, [200, 200, 200, 200]],
        ["GET", `${WEBHOOKS}/${id}`, undefined, [200, 200, 200, 200]],
        ["GET", `${WEBHOOKS}/${id}/deliveries`, undefined, [200, 200, 200, 200]],
        ["POST", WEBHOOKS, {}, [403, 403, 422, 422]],
        ["PATCH", `${WEBHOOKS}/${id}`, { mode: 1 }, [403, 403, 422, 422]],
        ["PATCH", `${WEBHOOKS}/${newId()}`, { mode: 1 }, [403, 403, 404, 404]],
        ["POST", `${WEBHOOKS}/${newId()}/rotate`, undefined, [403, 403, 404, 404]],
        ["GET", `${WEBHOOKS}/no-uuid/deliveries`, undefined, [404, 404, 404, 404]],
        ["DELETE", `${WEBHOOKS}/${newId()}`, undefined, [403, 403, 404, 404]],
      ];
      for (const [method, path, body, expected] of matrix) {
        const found: number[] = [];
        for (const as of ROLES) found.push((await api.request({ as, method, path, body })).status);
        expect([method, path, found]).toEqual([method, path, expected]);
        expect((await api.request({ as: null, method, path, body })).status).toBe(401);
      }
    });
  });

  describe("deliveries", () => {
    it("make the body the input, and nothing else", async () => {
      const webhook = await api.addWebhook({ workflow, version: 1 });
      const body = {
        workflow: "other",
        version: 9,
        definition: { steps: [] },
        steps: [],
        input: { order: 1 },
      };
      const answer = await api.deliver(webhook["url"], body);
      expect(answer.status).toBe(202);
      expect(answer.body).toEqual({ accepted: true, runId: expect.any(String) });
      const path = `/api/v1/workflow-runs/${String(answer.body["runId"])}`;
      expect(answer.headers.location).toBe(path);
      const run = await api.request({ as: "viewer", path });
      expect(run.body).toMatchObject({
        trigger: "webhook",
        input: body,
        workflow: { name: workflow, version: 1 },
        createdBy: { id: null, name: `webhook ${String(webhook["name"])}` },
      });
      expect((await api.deliver(webhook["url"], "[1, null]")).status).toBe(202);
      expect((await runsOf(webhook)).map((row) => row.input)).toEqual([body, [1, null]]);
    });

    it("are taken at the exact path, by POST, with a known token of an enabled webhook", async () => {
      const webhook = await api.addWebhook({ workflow });
      const url = String(webhook["url"]);
      const other = `/hooks/hrw_${"A".repeat(43)}`;
      const paths = [other, `${url}/`, `${url}x`, url.slice(0, -1), url.toUpperCase(), "/hooks", "/hooks/"];
      for (const path of [...paths, `/x${url}`, `/HOOKS/${String(webhook["token"])}`]) {
        expect([path, (await api.deliver(path, {})).status]).toEqual([path, 404]);
      }
      const huge = { "content-length": String(30 * 1024 * 1024), "content-type": "text/plain" };
      expect((await api.deliver(other, "", huge)).status).toBe(404);
      for (const method of ["GET", "PUT", "PATCH", "DELETE"]) {
        expect(await api.request({ as: null, method, path: url })).toMatchObject({
          status: 405,
          headers: { allow: "POST, OPTIONS" },
        });
      }
      await change(webhook, { enabled: false });
      const disabled = await api.deliver(url, {});
      expect(disabled.status).toBe(404);
      expect(disabled.text).not.toContain(String(webhook["token"]));
      await change(webhook, { enabled: true });
      expect((await api.deliver(`${url}?a=1&a=2&_method=DELETE`, {})).status).toBe(202);
    });

    it("are refused when they are no JSON, too large, or hold what cannot be stored", async () => {
      const webhook = await api.addWebhook({ workflow });
      const ask = async (body: unknown, headers = {}) =>
        (await api.deliver(webhook["url"], body, headers)).status;
      expect(await ask("{")).toBe(400);
      expect(await ask("")).toBe(400);
      expect(await ask("order=1")).toBe(400);
      expect(await ask(Buffer.from([0xff, 0xfe]))).toBe(400);
      expect(await ask(`${"[".repeat(100_000)}`)).toBe(400);
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/yaml", "x"]) {
        expect([type, await ask("{}", { "content-type": type })]).toEqual([type, 415]);
      }
      expect(await ask("{}", { "content-encoding": "gzip" })).toBe(415);
      expect(await ask(`"${"x".repeat(MAX_BODY_BYTES)}"`)).toBe(413);
      expect(await ask(Buffer.alloc(30 * 1024 * 1024))).toBe(413);
      expect(await sendChunks(webhook["url"], 3 * MAX_BODY_BYTES)).toBe(413);
      expect(await ask('{ "a": "\\u0000", "__proto__": { "x": 1 }, "n": 1e400 }')).toBe(422);
      expect(await ask({}, { "x-headrace-delivery": "\t" })).toBe(422);
      expect(await ask({}, { "x-headrace-delivery": "x".repeat(256) })).toBe(422);
      expect(await runsOf(webhook)).toEqual([]);
      expect(await ask(undefined)).toBe(202);
      expect(await ask("{}", { "content-type": "application/json; charset=UTF-8" })).toBe(202);
      const [run] = await runsOf(webhook);
      expect(run.input).toEqual({});
    });

    it("are refused when the workflow cannot take them", async () => {
      const strict = await api.addWorkflow({ inputs: INPUTS });
      const plain = await api.addWebhook({ workflow: strict });
      const refused = await api.deliver(plain["url"], { order: "1", more: 1 });
      expect([refused.status, faultPaths(refused.body)]).toEqual([422, ["/more", "/order"]]);
      const mapped = await api.addWebhook({ workflow: strict, input: { order: { query: "n" } } });
      const other = await api.deliver(`${String(mapped["url"])}?n=1`, {});
      expect([other.status, faultPaths(other.body)]).toEqual([422, ["/input/order"]]);
      expect(
        (await api.request({ method: "DELETE", path: `/api/v1/workflow-definitions/${strict}` })).status,
      ).toBe(204);
      expect((await api.deliver(plain["url"], { order: 1 })).status).toBe(409);
      const shown = await api.request({ path: `${WEBHOOKS}/${String(plain["id"])}` });
      expect(shown.body).toMatchObject({ workflow: null, workflowId: null });
      expect((await change(plain, { workflow })).body).toMatchObject({ workflow });
      expect((await api.deliver(plain["url"], { order: 1 })).status).toBe(202);
      expect((await deliveriesOf(plain)).map((entry) => [entry.outcome, entry.status])).toEqual([
        ["accepted", 202],
        ["refused", 409],
        ["refused", 422],
      ]);
    });
  });

  describe("signed deliveries", () => {
    it("count when the secret has signed these bytes at about this time", async () => {
      const webhook = await api.addWebhook({ workflow, generateSecret: true });
      const { secret, url } = webhook;
      const body = ' { "order" : 1.0, "name": "Jos\\u00e9 – é" }\r\n';
      expect((await api.deliver(url, body, sign({ secret, body }))).status).toBe(202);
      expect((await api.deliver(url, body, sign({ secret, body, offsetSeconds: -290 }))).status).toBe(202);
      const empty = Buffer.alloc(0);
      const signed = sign({ secret, body: empty });
      expect((await api.deliver(url, undefined, signed)).status).toBe(202);
      expect(await runsOf(webhook)).toHaveLength(3);
    });

    it("are all refused alike when anything is wrong", async () => {
      const webhook = await api.addWebhook({ workflow, secret: "the secret" });
      const other = await api.addWebhook({ workflow, secret: "another secret" });
      const body = '{"order":1}';
      const good = sign({ secret: "the secret", body });
      const signature = good["x-headrace-signature"] ?? "";
      const timestamp = good["x-headrace-timestamp"] ?? "";
      const cases: Record<string, string>[] = [
        {},
        { "x-headrace-timestamp": timestamp },
        { "x-headrace-signature": signature },
        { ...good, "x-headrace-signature": signature.slice(0, -2) },
        { ...good, "x-headrace-signature": signature.toUpperCase() },
        { ...good, "x-headrace-signature": `sha256=${signature.slice(7).toUpperCase()}` },
        { ...good, "x-headrace-signature": `sha256=${"0".repeat(64)}` },
        { ...good, "x-headrace-timestamp": String(Number(timestamp) - 1) },
        sign({ secret: "the secret", body, offsetSeconds: -310 }),
        sign({ secret: "the secret", body, offsetSeconds: 320 }),
        sign({ secret: "the secret", body: '{"order":2}' }),
        sign({ secret: "the secret", body: '{"order": 1}' }),
        sign({ secret: "another secret", body }),
      ];
      const bodies = new Set<string>();
      for (const headers of cases) {
        const answer = await api.deliver(webhook["url"], body, headers);
        expect([headers, answer.status]).toEqual([headers, 401]);
        bodies.add(JSON.stringify({ ...answer.body, requestId: "" }));
      }
      // a stranger learns nothing of the body's faults either
      for (const broken of ["{", "\u0000", ""]) {
        const answer = await api.deliver(webhook["url"], broken, { "content-type": "text/plain" });
        bodies.add(JSON.stringify({ ...answer.body, requestId: "" }));
      }
      expect([...bodies]).toHaveLength(1);
      expect(await runsOf(webhook)).toEqual([]);
      expect((await api.deliver(other["url"], body, good)).status).toBe(401);
      expect((await api.deliver(webhook["url"], body, good)).status).toBe(202);
      expect((await deliveriesOf(webhook)).map((entry) => entry.outcome)).toContain("refused");
    });
  });

  describe("repeats", () => {
    it("twenty at once start one run", async () => {
      const { secret, url, name } = await api.addWebhook({ workflow, generateSecret: true });
      const body = '{"order":7}';
      const headers = { ...sign({ secret, body }), "x-headrace-delivery": "order-7" };
      const answers = await Promise.all(Array.from({ length: 20 }, () => api.deliver(url, body, headers)));
      expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 202]);
      expect(new Set(answers.map((answer) => answer.body["runId"])).size).toBe(1);
      for (const { status, headers: sent } of answers) {
        expect(sent["idempotency-replayed"]).toBe(status === 200 ? "true" : undefined);
      }
      expect(await runsOf({ name })).toHaveLength(1);
    });

    it("answer with the first run whatever became of the webhook, for 24 hours", async () => {
      const webhook = await api.addWebhook({ workflow });
      const ask = async (id: string, body: object = { order: 1 }) =>
        await api.deliver(webhook["url"], body, { "x-headrace-delivery": id });
      const first = await ask("1");
      const other = await api.addWorkflow();
      await change(webhook, { name: `renamed ${newId()}`, workflow: other, filter: "false" });
      expect(await ask("1")).toMatchObject({ status: 200, body: { runId: first.body["runId"] } });
      expect((await ask("2")).body).toEqual({ accepted: false, reason: "filtered" });
      await change(webhook, { filter: null });
      expect((await ask("2")).status).toBe(202);
      const mixed = await ask("1", { order: 2 });
      expect([mixed.status, faultPaths(mixed.body)]).toEqual([422, ["/headers/X-Headrace-Delivery"]]);
      const twin = await api.addWebhook({ workflow });
      expect((await api.deliver(twin["url"], { order: 1 }, { "x-headrace-delivery": "1" })).status).toBe(202);
      const { knex } = api.platform;
      await knex("webhook_deliveries").update({ at: knex.raw("now() - interval '24 hours 1 second'") });
      await knex("idempotency_keys").update({ expires_at: knex.raw("now() - interval '1 second'") });
      const late = await ask("1");
      expect(late.status).toBe(202);
      expect(late.body["runId"]).not.toBe(first.body["runId"]);
    });

    it("are told by the signature where there is no delivery id, and not at all without either", async () => {
      const signed = await api.addWebhook({ workflow, secret: "the secret" });
      const body = "{}";
      const headers = sign({ secret: "the secret", body });
      const first = await api.deliver(signed["url"], body, headers);
      expect(await api.deliver(signed["url"], body, headers)).toMatchObject({
        status: 200,
        headers: { "idempotency-replayed": "true" },
        body: { runId: first.body["runId"] },
      });
      const later = sign({ secret: "the secret", body, offsetSeconds: 1 });
      expect((await api.deliver(signed["url"], body, later)).status).toBe(202);
      const plain = await api.addWebhook({ workflow });
      const again = [await api.deliver(plain["url"], body), await api.deliver(plain["url"], body)];
      expect(again.map(({ status }) => status)).toEqual([202, 202]);
      expect(await runsOf(plain)).toHaveLength(2);
    });
  });

  describe("filter and mapping", () => {
    it("leave out what the filter does, and start no run for it", async () => {
      const filter = 'headers."x-github-event" = "push" and body.ref = "main" and query.env = "prod"';
      const webhook = await api.addWebhook({ workflow, filter });
      const ask = async (query: string, event: string, ref: string) =>
        await api.deliver(`${String(webhook["url"])}${query}`, { ref }, { "X-GitHub-Event": event });
      expect(await ask("?env=prod", "ping", "main")).toMatchObject({
        status: 202,
        body: { accepted: false, reason: "filtered" },
      });
      expect((await ask("", "push", "main")).body).toEqual({ accepted: false, reason: "filtered" });
      expect((await ask("?env=prod", "push", "main")).body).toMatchObject({ accepted: true });
      expect(await runsOf(webhook)).toHaveLength(1);
      expect((await deliveriesOf(webhook)).map((entry) => entry.outcome)).toEqual([
        "accepted",
        "filtered",
        "filtered",
      ]);
    });

    it("make the input of body, headers, query, constants and expressions", async () => {
      const input = {
        id: { body: "/items/0/id" },
        all: { body: "" },
        event: { header: "X-Event" },
        tags: { query: "tag" },
        fixed: { value: { a: [1, null] } },
        total: { expression: "$sum(body.items.price)" },
        seen: { expression: "$keys(headers)" },
        missing: { body: "/nope" },
        prototype: { header: "hasownproperty" },
        absent: { expression: "body.nope" },
      };
      const webhook = await api.addWebhook({ workflow, input });
      const body = { items: [{ id: "x", price: 2 }, { price: 3 }] };
      const headers = { "x-event": "made", cookie: "a=b", authorization: "Bearer zzz" };
      const answer = await api.deliver(`${String(webhook["url"])}?tag=a&tag=b`, body, headers);
      expect(answer.status).toBe(202);
      const [run] = await runsOf(webhook);
      const { seen, ...rest } = run.input;
      expect(rest).toEqual({
        id: "x",
        all: body,
        event: "made",
        tags: ["a", "b"],
        fixed: { a: [1, null] },
        total: 5,
      });
      expect(seen).toEqual(expect.arrayContaining(["x-event", "content-type"]));
      for (const hidden of ["cookie", "authorization"]) expect(seen).not.toContain(hidden);
    });

    it("refuse what they fail on: the sender learns which, the log why", async () => {
      const filter = 'body.token > 5 or "s3cret-constant" < body.count';
      const filtering = await api.addWebhook({ workflow, filter });
      const refused = await api.deliver(filtering["url"], { token: 1, count: 2 });
      expect(refused.status).toBe(422);
      expect(refused.body["detail"]).toMatch(/filter could not be evaluated/);
      expect(refused.text).not.toContain("s3cret-constant");
      const [logged] = await deliveriesOf(filtering);
      expect(logged?.reason).toContain("s3cret-constant");
      const mapping = await api.addWebhook({
        workflow,
        input: { a: { expression: "$number(body.a)" }, b: { expression: "$error('boom')" } },
      });
      const mapped = await api.deliver(mapping["url"], { a: "x" });
      expect(mapped.body["errors"]).toHaveLength(2);
      expect(mapped.text).not.toContain("boom");
      expect((await deliveriesOf(mapping))[0]).toMatchObject({
        outcome: "refused",
        status: 422,
        runId: null,
        reason: expect.stringMatching(/mapping to "b".*boom/),
      });
      expect(await runsOf(mapping)).toEqual([]);
    });

    it("cannot hang a delivery, nor others", async () => {
      const expressions = Array.from({ length: 20 }, (_, at) => [`e${at}`, { expression: ENDLESS }]);
      const input = Object.fromEntries(expressions);
      const endless = await api.addWebhook({ workflow, filter: "$exists(body)", input });
      const plain = await api.addWebhook({ workflow, filter: "body.ok" });
      const startedAt = Date.now();
      const [stuck, quick] = await Promise.all([
        api.deliver(endless["url"], {}),
        api.deliver(plain["url"], { ok: true }),
      ]);
      expect([stuck.status, quick.status]).toEqual([422, 202]);
      expect(Date.now() - startedAt).toBeLessThan(5000);
    });
  });

  describe("the log", () => {
    it("pages through deliveries, takes few refusals a minute, and is tidied", async () => {
      const { knex } = api.platform;
      const webhook = await api.addWebhook({ workflow });
      const id = String(webhook["id"]);
      const accepted = await api.deliver(webhook["url"], {}, { "x-headrace-delivery": "1" });
      for (let sent = 0; sent < 105; sent += 1) await api.deliver(webhook["url"], "{");
      const count = async () =>
        Number((await knex("webhook_deliveries").where("webhook_id", id).count())[0]?.["count"]);
      expect(await count()).toBe(101);
      const [newest] = await deliveriesOf(webhook, "?limit=1");
      expect(newest).toMatchObject({ outcome: "refused", status: 400, reason: "The body is not valid JSON" });
      // the accepted one lies behind the newest hundred, but still tells repeats
      await tidyDeliveries(knex);
      expect(await count()).toBe(101);
      expect((await api.deliver(webhook["url"], {}, { "x-headrace-delivery": "1" })).body).toEqual(
        accepted.body,
      );
      await knex("webhook_deliveries").update({ at: knex.raw("now() - interval '25 hours'") });
      await tidyDeliveries(knex);
      expect(await count()).toBe(100);
    });
  });

  it("is described in the OpenAPI document", async () => {
    const { body } = await api.request({ as: null, path: "/openapi.json" });
    const paths = body["paths"] as unknown as Record<string, Record<string, { security: unknown[] }>>;
    expect(paths["/hooks/{token}"]?.["post"]?.security).toEqual([]);
    expect(Object.keys(paths[`${WEBHOOKS}/{id}`] ?? {})).toEqual(["get", "patch", "delete"]);
  });
});

/** Sends zeros without announcing how many; answers the status. */
async function sendChunks(url: unknown, bytes: number): Promise<number | undefined> {
  const { port } = new URL(api.address);
  return await new Promise((resolve, reject) => {
    let status: number | undefined;
    const headers = { "content-type": "application/json" };
    const request = httpRequest(
      { port, method: "POST", path: String(url), headers, agent: false },
      (response) => {
        status = response.statusCode;
        resolve(status);
        response.resume();
      },
    );
    // cut off after the answer
    request.on("error", (error) => (status === undefined ? reject(error) : undefined));
    request.setTimeout(10_000, () => request.destroy(new Error("no answer")));
    for (let sent = 0; sent < bytes; sent += 100_000) request.write(Buffer.alloc(100_000));
    request.end();
  });
}
