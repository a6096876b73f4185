import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { expectProblem, itHolds, type MatrixRow } from "../support/matrix-rows.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";
import { sign } from "../support/webhooks-api.js";

let world: MatrixWorld;

/** A schedule or a webhook of the world's workflow that is refused. */
function trigger(path: string) {
  return (name: string, more: object, ...paths: string[]): MatrixRow => ({
    name,
    request: () => ({
      method: "POST",
      path: `/api/v1${path}`,
      body: { name: `t-${newId()}`, workflow: world.workflow.name, ...more },
    }),
    status: 422,
    paths,
  });
}
const schedule = trigger("/schedules");
const webhook = trigger("/webhooks");
const DAILY = { cron: "0 0 * * *", input: { date: "2026-01-01" } };

const SCHEDULES: readonly MatrixRow[] = [
  ...["* * * *", "60 * * * *", "@reboot", "@daily", "* * * * * * *", "*/0 * * * *", "0 0 31 2 *", "", " ", "a b c d e"],
  ...["* * * * 8", "0 0 0 * *", "0 24 * * *", "-1 * * * *", "1-0 * * * *", "*/-1 * * * *", "0 0 30 2 *", "0 0 31 4 *"],
  ...["* * * * *; rm -rf /", "1,,2 * * * *", "0x1 * * * *", "1e1 * * * *", "* * * foo *", "*/99999999999 * * * *", `${"1,".repeat(5_000)}1 * * * *`],
]
  .map((cron) => schedule(`80 cron ${JSON.stringify(cron.slice(0, 40))}`, { ...DAILY, cron }, "/cron"))
  .concat(
    [1, ["* * * * *"], { $ne: 1 }, true].map((cron) => schedule(`80 cron ${JSON.stringify(cron)}, no text`, { ...DAILY, cron }, "/cron")),
    [
      schedule("81 both", { ...DAILY, everySeconds: 60 }, "/everySeconds"),
      schedule("81 neither", { input: DAILY.input }, "/cron"),
      ...[0, -1, 1.5, "60", 1e12].map((everySeconds) =>
        schedule(`81 everySeconds ${JSON.stringify(everySeconds)}`, { everySeconds, input: DAILY.input }, "/everySeconds"),
      ),
      ...["Mars/Base", "", "utc+1", "../etc/localtime", "Europe", "UTC\u0000", 1, null].map((timezone) =>
        schedule(`81 the time zone ${JSON.stringify(timezone)}`, { ...DAILY, timezone }),
      ),
      ...["x", "", null, 1].map((overlap) => schedule(`81 overlap ${JSON.stringify(overlap)}`, { ...DAILY, overlap }, "/overlap")),
      schedule("81 catchUp", { ...DAILY, catchUp: "some" }, "/catchUp"),
      schedule("81 enabled", { ...DAILY, enabled: "yes" }, "/enabled"),
      schedule("81 an input that the workflow refuses", { cron: DAILY.cron, input: { date: "x" } }, "/input/date"),
      schedule("81 a name that is an id", { ...DAILY, name: newId() }, "/name"),
      schedule("81 a name with a line end", { ...DAILY, name: "a\nb" }, "/name"),
      ...["nextRunAt", "createdBy", "id", "lastRunId", "revision", "ownerId", "version"].map((name) =>
        schedule(`mass assignment of a schedule's ${name}`, { ...DAILY, [name]: "x" }, `/${name}`),
      ),
      ...["token", "createdBy", "id", "url", "revision", "ownerId", "definition", "tokenHash"].map((name) =>
        webhook(`mass assignment of a webhook's ${name}`, { [name]: "x" }, `/${name}`),
      ),
      webhook("82 a version that is none", { version: 0 }, "/version"),
      webhook("82 an empty secret", { secret: "" }, "/secret"),
      webhook("82 a filter that is none", { filter: "body.[" }, "/filter"),
      webhook("82 a filter that reads secrets", { filter: "$secrets.X = 1" }, "/filter"),
      webhook("82 a filter that reads what is not there", { filter: "steps.a.output" }, "/filter"),
      webhook("82 an input from the signature", { input: { a: { header: "X-Headrace-Signature" } } }),
      webhook("82 an input from a cookie", { input: { a: { header: "Cookie" } } }),
      webhook("82 an input from a secret", { input: { a: { secret: "X" } } }),
      webhook("82 a mode that is none", { mode: "x" }, "/mode"),
      webhook("82 a wait of an hour", { mode: "wait", waitSeconds: 3_600 }, "/waitSeconds"),
    ],
  );

describe("bad inputs: triggers", () => {
  let plain: { url: string };
  let signed: { url: string; secret: string };
  beforeAll(async () => {
    world = await startMatrixWorld();
    const workflow = await world.addWorkflow();
    plain = { url: urlOf(await world.addWebhook({ workflow })) };
    const secret = "s3cret-of-the-hook";
    signed = { url: urlOf(await world.addWebhook({ workflow, secret })), secret };
  });
  afterAll(async () => {
    await world.close();
  });

  describe("definitions", () => itHolds(SCHEDULES, async (request) => await world.send(request)));

  const deliver = async (url: string, body: string | Buffer, headers: Record<string, string> = {}) => {
    const request = { method: "POST", path: url, body, as: null, headers: { "content-type": "application/json", ...headers } };
    const answer = await world.send(request);
    if (answer.status >= 400) expectProblem(request, answer);
    return answer;
  };

  it("82 an unknown token, a bent one, another method", async () => {
    const last = plain.url.at(-1) === "A" ? "B" : "A";
    const bent = [
      ...["/hooks/nobody", `/hooks/${"x".repeat(5_000)}`, `${plain.url.slice(0, -1)}${last}`, `${plain.url}/`, `${plain.url};x`],
      ...[`${plain.url}/x`, plain.url.toUpperCase(), plain.url.slice(0, -1), `${plain.url}%00`, "/hooks/", `//${plain.url.slice(1)}`],
      ...["/hooks/__proto__", `/hooks/..%2f${plain.url.slice(7)}`, "/hooks/%25", "/hooks/null"],
    ];
    for (const url of bent) expect([url.slice(0, 80), (await deliver(url, "{}")).status]).toEqual([url.slice(0, 80), 404]);
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      const { status } = await world.send({ method, path: plain.url, as: null });
      expect([method, status]).toEqual([method, 405]);
    }
  });

  it("82 a body that is no JSON, one that is too large, one that is nothing", async () => {
    expect((await deliver(plain.url, "order=1")).status).toBe(400);
    expect((await deliver(plain.url, "order=1", { "content-type": "application/x-www-form-urlencoded" })).status).toBe(415);
    expect((await deliver(plain.url, "<a/>", { "content-type": "application/xml" })).status).toBe(415);
    expect((await deliver(plain.url, Buffer.alloc(30 * 1024 * 1024, "x"))).status).toBe(413);
    expect((await deliver(plain.url, '{"a":"\\u0000"}')).status).toBe(422);
    expect((await deliver(plain.url, '{"a":"\xff"}')).status).toBeLessThan(500);
    expect((await deliver(plain.url, "[".repeat(100_000))).status).toBe(400);
    expect((await deliver(plain.url, '{"__proto__":{"x":1}}')).status).toBe(422);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  it("82 a signature that is missing, wrong, short, in capitals, of another body, of another time", async () => {
    const body = '{"order":1}';
    const good = sign({ secret: signed.secret, body });
    const signature = String(good["x-headrace-signature"]);
    const bad: Record<string, string>[] = [
      {},
      { "x-headrace-timestamp": String(good["x-headrace-timestamp"]) },
      { "x-headrace-signature": signature },
      ...[
        ...["", "sha256=", signature.slice(0, -2), `${signature}00`, signature.toUpperCase(), signature.replace("sha256=", "")],
        ...[signature.replace("sha256", "sha1"), signature.replace("sha256=", "SHA256="), `sha256=${"0".repeat(64)}`, "sha256=é"],
        ...[signature.replace(/=[0-9a-f]{2}/, "=zz"), ` ${signature.slice(1)}`, `${signature},${signature}x`],
        ...[`sha256=${createHmac("sha256", signed.secret).update(body).digest("hex")}`],
      ].map((text) => ({ ...good, "x-headrace-signature": Buffer.from(text, "utf8").toString("latin1") })),
      sign({ secret: signed.secret, body: '{"order":2}' }),
      sign({ secret: "", body }),
      sign({ secret: "another", body }),
      sign({ secret: signed.secret, body, offsetSeconds: -301 }),
      sign({ secret: signed.secret, body, offsetSeconds: 301 }),
      ...["0", "-1", "abc", "", "1e99", "NaN", `${good["x-headrace-timestamp"]}.0`].map((timestamp) => ({
        ...good,
        "x-headrace-timestamp": timestamp,
      })),
    ];
    const details = new Set<unknown>();
    for (const headers of bad) {
      const answer = await deliver(signed.url, body, headers);
      expect([headers, answer.status]).toEqual([headers, 401]);
      expect(answer.text).not.toContain(signed.secret);
      details.add(answer.body["detail"]);
    }
    // all refused alike: an answer that told why would help to guess
    expect(details.size).toBe(1);
    const taken = await deliver(signed.url, body, good);
    expect(taken.status).toBe(202);
    const replay = await deliver(signed.url, body, good);
    expect([200, 401]).toContain(replay.status);
    if (replay.status === 200) expect(replay.body["runId"] ?? replay.body["id"]).toBe(taken.body["runId"] ?? taken.body["id"]);
  });

  it("84 what a body says becomes input and nothing else", async () => {
    const other = await world.addWorkflow();
    const given = {
      ...{ order: 7, workflow: other, version: 99, definition: { steps: [] }, steps: [{ id: "x", uses: "builtin:noop" }] },
      ...{ labels: { a: "b" }, priority: 1_000, trigger: "api", createdBy: "x", delaySeconds: 5 },
    };
    const answer = await deliver(plain.url, JSON.stringify(given));
    expect(answer.status).toBe(202);
    const runs = await world.send({ path: "/api/v1/workflow-runs?trigger=webhook&limit=1" });
    const [run] = runs.body["items"] as unknown as { id: string; workflow: { name: string; version: number } }[];
    const whole = await world.send({ path: `/api/v1/workflow-runs/${run?.id}` });
    expect(whole.body["input"]).toEqual(given);
    expect(whole.body).toMatchObject({ trigger: "webhook", labels: {}, priority: 0, workflow: { version: 1 } });
    expect(run?.workflow.name).not.toBe(other);
  });
});

function urlOf(hook: Record<string, unknown>): string {
  return new URL(String(hook["url"]), "http://localhost").pathname;
}
