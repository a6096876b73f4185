import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { expectProblem, faultPaths, get, itHolds, type MatrixRow } from "../support/matrix-rows.js";
import { type MatrixWorld, NOBODY, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const RUNS = "/workflow-runs";

/** A start of the world's workflow that is refused. */
function started(name: string, more: object, status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return {
    name,
    request: () => ({
      method: "POST",
      path: `/api/v1${RUNS}`,
      body: { workflow: world.workflow.name, input: { date: "2026-01-01" }, ...more },
    }),
    status,
    paths,
  };
}
/** A request that concerns the waiting run. */
function ofRun(name: string, path: string, status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return { name, request: () => ({ path: `/api/v1${RUNS}/${world.runId}${path}` }), status, paths };
}
const keyed = (name: string, key: string): MatrixRow => ({
  name,
  request: () => ({
    method: "POST",
    path: `/api/v1${RUNS}`,
    headers: { "idempotency-key": key },
    body: { workflow: world.workflow.name, input: { date: "2026-01-01" } },
  }),
  status: 422,
  paths: ["/headers/Idempotency-Key"],
});
const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, "v"]));

const STARTS: readonly MatrixRow[] = [
  started("67 a date that is none", { input: { date: "2026-13-01" } }, 422, "/input/date"),
  started("67 a day that is none", { input: { date: "2026-02-30" } }, 422, "/input/date"),
  started("67 another type", { input: { date: 1 } }, 422, "/input/date"),
  started("67 a number for text that holds one", { input: { date: "2026-01-01", count: "1" } }, 422, "/input/count"),
  started("67 nothing", { input: {} }, 422, "/input/date"),
  started("67 more than it takes", { input: { date: "2026-01-01", extra: 1 } }, 422, "/input/extra"),
  started("67 two faults", { input: { count: 1.5, extra: 1 } }, 422, "/input/date", "/input/count", "/input/extra"),
  ...[[], null, "x", 12].map((input) => started(`67 the input ${JSON.stringify(input)}`, { input }, 422, "/input")),
  ...[0, -1, 1.5, "1", null, 1e10, [1]].map((version) =>
    started(`68 the version ${JSON.stringify(version)}`, { version }, 422, "/version"),
  ),
  started("68 the version 999", { version: 999 }, 404),
  started("68 an unknown workflow", { workflow: "nobody" }, 404),
  started("68 a workflow's id that is none", { workflow: NOBODY }, 404),
  ...["", 1, null, ["a"]].map((workflow) => started(`68 the workflow ${JSON.stringify(workflow)}`, { workflow }, 422, "/workflow")),
  ...[1e9, 1.5, "1", -1e9].map((priority) => started(`69 the priority ${priority}, a ${typeof priority}`, { priority }, 422, "/priority")),
  ...[-1, 1e10, "1", null].map((delaySeconds) =>
    started(`69 delaySeconds ${JSON.stringify(delaySeconds)}`, { delaySeconds }, 422, "/delaySeconds"),
  ),
  started("69 1,000 labels", { labels: labels(1_000) }, 422, "/labels"),
  started("69 a name with a colon", { labels: { "a:b": "c" } }, 422),
  started("69 a value of 10 KiB", { labels: { a: "x".repeat(10_240) } }, 422, "/labels/a"),
  started("69 a value that is no text", { labels: { a: 1 } }, 422, "/labels/a"),
  started("69 labels in a list", { labels: ["a:b"] }, 422, "/labels"),
  started("69 a name of 300 characters", { labels: { ["x".repeat(300)]: "c" } }, 422),
  ...["trigger", "createdBy", "id", "parentRunId", "replayOf", "status", "definition", "steps", "role", "ownerId"].map((name) =>
    started(`mass assignment of ${name}`, { [name]: "x" }, 422, `/${name}`),
  ),
  keyed("70 a key of 300 characters", "k".repeat(300)),
  keyed("70 a key beyond ASCII", "sch\u00fcssel"),
  keyed("70 a key with a tab", "a\tb"),
  keyed("70 an empty key", ""),
  ...["61", "-1", "abc", "1.5", "", "0x1", "1e1", "99999999999"].map((wait): MatrixRow => ({
    name: `71 wait=${wait}`,
    request: () => ({
      method: "POST",
      path: `/api/v1${RUNS}?wait=${wait}`,
      body: { workflow: world.workflow.name, input: { date: "2026-01-01" } },
    }),
    status: 422,
    paths: ["/wait"],
  })),
];

const CHANGES: readonly MatrixRow[] = [
  ...[{ from: "nostep" }, { from: "" }, { from: 1 }, { from: "__proto__" }].map((body): MatrixRow => ({
    name: `72 rerun of a run that has not ended, ${JSON.stringify(body)}`,
    request: () => ({ method: "POST", path: `/api/v1${RUNS}/${world.runId}/rerun`, body }),
    status: [409, 422],
  })),
  ...["approve", "reject"].flatMap((word): MatrixRow[] => [
    {
      name: `73 ${word} a step that does not wait`,
      request: () => ({ method: "POST", path: `/api/v1${RUNS}/${world.runId}/steps/keep/${word}`, body: {} }),
      status: 409,
    },
    {
      name: `73 ${word} a step that is none`,
      request: () => ({ method: "POST", path: `/api/v1${RUNS}/${world.runId}/steps/nostep/${word}`, body: {} }),
      status: 404,
    },
    {
      name: `73 ${word} in a run that is none`,
      request: { method: "POST", path: `/api/v1${RUNS}/${NOBODY}/steps/keep/${word}`, body: { nope: 1 } },
      status: 404,
    },
    {
      name: `73 ${word} with a comment that is no text`,
      request: () => ({ method: "POST", path: `/api/v1${RUNS}/${world.runId}/steps/keep/${word}`, body: { comment: 1 } }),
      status: [409, 422],
    },
  ]),
];

const READS: readonly MatrixRow[] = [
  ...["-1", "abc", "1e99", "1.5", "0x1", "99999999999999999999"].flatMap((after): MatrixRow[] => [
    {
      name: `74 Last-Event-ID: ${after}`,
      request: () => ({ path: `/api/v1${RUNS}/${world.runId}/stream`, headers: { "last-event-id": after } }),
      status: 422,
    },
    ofRun(`74 after=${after}`, `/stream?after=${after}`, 422, "/after"),
  ]),
  {
    name: "74 a stream as JSON",
    request: () => ({ path: `/api/v1${RUNS}/${world.runId}/stream`, headers: { accept: "application/json" } }),
    status: 406,
  },
  { name: "74 all runs as JSON", request: { path: "/api/v1/stream", headers: { accept: "application/json" } }, status: 406 },
  ofRun("75 stream=x", "/logs?stream=x", 422, "/stream"),
  ofRun("75 attempt=-1", "/logs?attempt=-1", 422, "/attempt"),
  ofRun("75 attempt=0", "/logs?attempt=0", 422, "/attempt"),
  ofRun("75 attempt=abc", "/logs?attempt=abc", 422, "/attempt"),
  ofRun("75 limit=0", "/logs?limit=0", 422, "/limit"),
  ofRun("75 a step of another run", "/logs?stepId=extract", 200),
  ofRun("75 a step called __proto__", "/logs?stepId=__proto__", 200),
  ofRun("75 a cursor that is none", "/logs?cursor=x", 422, "/cursor"),
  ...["..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..", "x", NOBODY, `${NOBODY}%00.html`].map((id) =>
    get(`76 the artifact ${id}`, `/artifacts/${id}`, 404),
  ),
];

describe("bad inputs: runs", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const send = async (request: Parameters<MatrixWorld["send"]>[0]) => await world.send(request);

  describe("starting", () => itHolds(STARTS, send));
  describe("changing", () => itHolds(CHANGES, send));
  describe("reading", () => itHolds(READS, send));

  const start = async (key: string, body: object = {}, as: "editor" | "operator" | "viewer" = "editor") =>
    await world.send({
      as,
      method: "POST",
      path: `/api/v1${RUNS}`,
      headers: { "idempotency-key": key },
      body: { workflow: world.workflow.name, input: { date: "2026-01-01" }, ...body },
    });

  it("70 a key belongs to its caller and one body", async () => {
    const key = newId();
    const first = await start(key);
    const again = await start(key);
    expect([first.status, again.status, again.headers["idempotency-replayed"]]).toEqual([202, 200, "true"]);
    expect(again.body["id"]).toBe(first.body["id"]);
    const other = await start(key, { input: { date: "2026-01-02" } });
    expect([other.status, faultPaths(other)]).toEqual([422, ["/headers/Idempotency-Key"]]);
    const foreign = await start(key, {}, "operator");
    expect(foreign.status).toBe(202);
    expect(foreign.body["id"]).not.toBe(first.body["id"]);
    // who may not start a run learns nothing of one
    const denied = await start(key, {}, "viewer");
    expect(denied.status).toBe(403);
    expect(denied.text).not.toContain(String(first.body["id"]));
  });

  it("70 ten at once are one run", async () => {
    const key = newId();
    const answers = await Promise.all(Array.from({ length: 10 }, async () => await start(key)));
    expect(new Set(answers.map(({ body }) => body["id"])).size).toBe(1);
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
  });

  it("72 a run is canceled once, and what has ended stays", async () => {
    const run = await start(newId());
    const cancel = { method: "POST", path: `/api/v1${RUNS}/${run.body["id"]}/cancel` };
    const first = await world.send(cancel);
    expect(first.status).toBe(202);
    const second = await world.send(cancel);
    expect([202, 409]).toContain(second.status);
    expectProblemIf(cancel, second);
    const rerun = { method: "POST", path: `/api/v1${RUNS}/${run.body["id"]}/rerun`, body: { from: "nostep" } };
    const answer = await world.send(rerun);
    expect([answer.status, faultPaths(answer)]).toEqual([422, ["/from"]]);
  });

  function expectProblemIf(request: { path: string }, answer: Awaited<ReturnType<typeof start>>): void {
    if (answer.status >= 400) expectProblem(request, answer);
  }

  it("72 a run goes on with its version once its workflow is gone", async () => {
    const name = `w-${newId()}`;
    await world.make("/workflow-definitions", { name, definition: { steps: [{ id: "a", uses: "builtin:noop" }] } });
    const run = await world.make(RUNS, { workflow: name }, 202);
    await world.send({ method: "POST", path: `/api/v1${RUNS}/${run["id"]}/cancel` });
    await world.send({ method: "DELETE", path: `/api/v1/workflow-definitions/${name}` });
    const again = await world.send({ method: "POST", path: `/api/v1${RUNS}/${run["id"]}/rerun`, body: { from: "start" } });
    expect(again.status).toBe(202);
    expect((await world.send({ path: `/api/v1${RUNS}/${run["id"]}` })).status).toBe(200);
  });

  it("74 the header wins over the query, and a place beyond the end waits", async () => {
    const path = `/api/v1${RUNS}/${world.runId}/stream`;
    const both = await firstBytes(`${path}?after=1000000`, { "last-event-id": "0" });
    expect(both.status).toBe(200);
    expect(both.text).toMatch(/^id: 1$/m);
    const beyond = await firstBytes(path, { "last-event-id": "1000000" });
    expect([200, 204]).toContain(beyond.status);
    expect(beyond.text).not.toMatch(/^id: /m);
  });

  it("an operator runs no draft, an editor does", async () => {
    const name = `w-${newId()}`;
    const definition = { steps: [{ id: "a", uses: "builtin:noop" }] };
    await world.make("/workflow-definitions", { name, definition });
    const patch = { definition: { steps: [{ id: "b", uses: "builtin:noop" }] }, draft: true };
    await world.send({ method: "PATCH", path: `/api/v1/workflow-definitions/${name}`, body: patch });
    const body = { workflow: name, version: 2 };
    const refused = { method: "POST", path: `/api/v1${RUNS}`, body, as: "operator" as const };
    const answer = await world.send(refused);
    expect([403, 404]).toContain(answer.status);
    expectProblem(refused, answer);
    expect((await world.send({ ...refused, as: "editor" })).status).toBe(202);
  });
});

/** What a stream says within half a second. */
async function firstBytes(path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
  const token = world.tokens.editor;
  return await new Promise((resolve, reject) => {
    let text = "";
    const request = httpRequest(
      `${world.address}${path}`,
      { headers: { authorization: `Bearer ${token}`, ...headers } },
      (response) => {
        const finish = () => {
          response.destroy();
          resolve({ status: response.statusCode ?? 0, text });
        };
        const timer = setTimeout(finish, 500);
        response.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
        response.on("end", () => {
          clearTimeout(timer);
          finish();
        });
      },
    );
    request.on("error", reject);
    request.end();
  });
}
