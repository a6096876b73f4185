import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { ROLES } from "../../src/core/permissions.js";
import { faultPaths } from "../support/definitions-server.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

const PATH = "/api/v1/schedules";
const NOBODY = "01a20bda-7938-7000-a2a8-8fbd7448323e";

describe("schedules over HTTP", () => {
  let api: WebhooksApi;
  let workflow = "";
  let strict = "";
  beforeAll(async () => {
    api = await startWebhooksApi();
    workflow = await api.addWorkflow();
    const inputs = { type: "object", properties: { order: { type: "integer" } }, required: ["order"] };
    strict = await api.addWorkflow({ inputs });
  });
  afterAll(async () => await api.close());

  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    await api.request({ method, path: `${PATH}${path}`, headers, ...(body === undefined ? {} : { body }) });
  const named = () => `schedule ${newId()}`;
  const make = async (body: object) => {
    const answer = await send("POST", "", { name: named(), workflow, cron: "30 2 * * *", ...body });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body as unknown as {
      id: string;
      name: string;
      revision: number;
      nextRunAt: string;
      nextRuns: string[];
    };
  };
  const times = (body: object) => (body as { nextRuns: string[] }).nextRuns.map((time) => Date.parse(time));
  const audited = async (id: string) =>
    (await api.platform.knex("action_logs").select("action").where("entity_id", id).orderBy("seq")).map(
      (entry: { action: string }) => entry.action,
    );

  it("are made with defaults, shown by id and name, listed and counted", async () => {
    const answer = await send("POST", "", { name: "nightly", workflow, everySeconds: 60 });
    expect(answer.status).toBe(201);
    const { id } = answer.body as unknown as { id: string };
    expect(answer.headers["location"]).toBe(`${PATH}/${id}`);
    expect(answer.body).toMatchObject({
      name: "nightly",
      workflow,
      cron: null,
      everySeconds: 60,
      timezone: "UTC",
      input: {},
      enabled: true,
      overlap: "allow",
      catchUp: "none",
      lastRunId: null,
      lastRunAt: null,
      revision: 1,
    });
    const due = times(answer.body);
    expect(due).toHaveLength(5);
    expect(due.slice(1).map((time, index) => time - (due[index] ?? 0))).toEqual([
      60_000, 60_000, 60_000, 60_000,
    ]);
    expect(answer.body["nextRunAt"]).toBe(new Date(due[0] ?? 0).toISOString());
    expect((await send("GET", "/nightly")).body).toEqual(answer.body);
    expect((await send("GET", `/${id}`)).body).toEqual(answer.body);
    const other = await make({ workflow: strict, input: { order: 1 } });
    const listed = async (query: string) =>
      ((await send("GET", query)).body["items"] as unknown as { id: string }[]).map((one) => one.id);
    expect(await listed("?limit=2")).toEqual([other.id, id]);
    expect(await listed(`?workflow=${strict}`)).toEqual([other.id]);
    expect((await send("POST", "", { name: "nightly", workflow, everySeconds: 5 })).status).toBe(409);
    const summary = await api.request({ path: "/api/v1/dashboard/summary" });
    expect(summary.body["schedules"]).toBe(2);
    expect(await audited(id)).toEqual(["schedule.create"]);
  });

  it("reads cron in its time zone", async () => {
    const { nextRuns } = await make({ cron: "30 2 * * *", timezone: "Asia/Tokyo" });
    expect(nextRuns.map((time) => time.slice(11, 16))).toEqual(Array(5).fill("17:30"));
    expect((await make({ cron: "*/10 * * * * *" })).nextRuns[0]).toMatch(/:[0-5]0\.000Z$/);
  });

  it.each([
    [{ cron: "* * * *" }, ["/cron"]],
    [{ cron: "60 * * * *" }, ["/cron"]],
    [{ cron: "@reboot" }, ["/cron"]],
    [{ cron: "0 * * * * * *" }, ["/cron"]],
    [{ cron: "*/0 * * * *" }, ["/cron"]],
    [{ cron: "0 0 31 2 *" }, ["/cron"]],
    [{ everySeconds: 5 }, ["/everySeconds"]],
    [{ cron: undefined }, ["/cron"]],
    [{ cron: undefined, everySeconds: 0 }, ["/everySeconds"]],
    [{ cron: undefined, everySeconds: 1.5 }, ["/everySeconds"]],
    [{ cron: undefined, everySeconds: "5" }, ["/everySeconds"]],
    [{ timezone: "Mars/Base" }, ["/timezone"]],
    [{ overlap: "x", catchUp: "y", enabled: "yes" }, ["/catchUp", "/enabled", "/overlap"]],
    [{ everySeconds: 5, overlap: "x", timezone: "x" }, ["/everySeconds", "/overlap", "/timezone"]],
    [{ workflow: "nobody" }, ["/workflow"]],
    [{ workflow: NOBODY }, ["/workflow"]],
    [{ name: "" }, ["/name"]],
    [{ name: NOBODY }, ["/name"]],
    [{ id: NOBODY, createdBy: "me", nextRunAt: "now" }, ["/createdBy", "/id", "/nextRunAt"]],
  ])("refuses %j", async (body, paths) => {
    const before = await api.platform.knex("schedules").count();
    const answer = await send("POST", "", { name: named(), workflow, cron: "* * * * *", ...body });
    expect([answer.status, faultPaths(answer.body)]).toEqual([422, paths]);
    expect(await api.platform.knex("schedules").count()).toEqual(before);
  });

  it("checks the input against the published version", async () => {
    const refused = await send("POST", "", {
      name: named(),
      workflow: strict,
      everySeconds: 9,
      input: { order: "x" },
    });
    expect([refused.status, faultPaths(refused.body)]).toEqual([422, ["/input/order"]]);
    const { id } = await make({ workflow: strict, input: { order: 1 } });
    const patched = await send("PATCH", `/${id}`, { input: { order: 1.5 } });
    expect([patched.status, faultPaths(patched.body)]).toEqual([422, ["/input/order"]]);
    expect((await send("PATCH", `/${id}`, { workflow, input: [1] })).body).toMatchObject({
      workflow,
      input: [1],
    });
  });

  it("changes what it is told to, and counts from now on", async () => {
    const { id, nextRunAt } = await make({});
    expect((await send("PATCH", `/${id}`, { overlap: "skip" }, { "if-match": '"7"' })).status).toBe(412);
    const kept = await send(
      "PATCH",
      `/${id}`,
      { overlap: "skip", name: `renamed ${id}` },
      { "if-match": '"1"' },
    );
    expect(kept.body).toMatchObject({ overlap: "skip", nextRunAt, revision: 2, cron: "30 2 * * *" });
    const switched = await send("PATCH", `/${id}`, { everySeconds: 5 });
    expect(switched.body).toMatchObject({ cron: null, everySeconds: 5 });
    expect(times(switched.body)[0]).toBeLessThan(Date.now() + 7000);
    expect(faultPaths((await send("PATCH", `/${id}`, { everySeconds: null })).body)).toEqual([
      "/everySeconds",
    ]);
    expect(faultPaths((await send("PATCH", `/${id}`, { cron: "* * * * *", everySeconds: 5 })).body)).toEqual([
      "/everySeconds",
    ]);
    expect((await send("PATCH", `/${id}`, { cron: "0 0 1 1 *" })).body).toMatchObject({ everySeconds: null });
    expect((await send("PATCH", `/${newId()}`, { cron: 7 })).status).toBe(404);
  });

  it("pauses and resumes, twice as well as once", async () => {
    const { id, name } = await make({ everySeconds: 60, cron: null });
    for (let turn = 0; turn < 2; turn += 1) {
      const paused = await send("POST", `/${encodeURIComponent(name)}/pause`);
      expect(paused.body).toMatchObject({ enabled: false, nextRunAt: null, nextRuns: [], revision: 2 });
    }
    for (let turn = 0; turn < 2; turn += 1) {
      const resumed = await send("POST", `/${id}/resume`);
      expect(resumed.body).toMatchObject({ enabled: true, revision: 3 });
      expect(times(resumed.body)[0]).toBeGreaterThan(Date.now());
    }
    expect(await audited(id)).toEqual(["schedule.create", "schedule.pause", "schedule.resume"]);
    expect((await make({ enabled: false })).nextRunAt).toBeNull();
  });

  it("starts a run now when it is triggered", async () => {
    const { id } = await make({ input: { order: 7 }, enabled: false });
    const answer = await send("POST", `/${id}/trigger`);
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({
      trigger: "manual",
      input: { order: 7 },
      workflow: { name: workflow },
    });
    expect(answer.headers["location"]).toBe(`/api/v1/workflow-runs/${answer.body["id"]}`);
    expect((await send("GET", `/${id}`)).body).toMatchObject({ lastRunId: answer.body["id"] });
    expect(await audited(id)).toEqual(["schedule.create", "schedule.trigger"]);
  });

  it("backfills a span once", async () => {
    const { id } = await make({ cron: "*/10 * * * *", input: { order: 1 } });
    const span = { from: "2026-01-01T10:00:00Z", to: "2026-01-01T11:00:00Z" };
    const [first, second] = await Promise.all([
      send("POST", `/${id}/backfill`, span),
      send("POST", `/${id}/backfill`, span),
    ]);
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(first.body["runIds"]).toEqual(second.body["runIds"]);
    const runs = await api.platform.knex("workflow_runs").where("schedule_id", id).orderBy("scheduled_for");
    expect(runs.map((run) => run.scheduled_for.toISOString().slice(11, 16))).toEqual([
      "10:00",
      "10:10",
      "10:20",
      "10:30",
      "10:40",
      "10:50",
      "11:00",
    ]);
    expect(new Set(runs.map((run) => `${run.trigger} ${run.created_by_name}`)).size).toBe(1);
    const wider = await send("POST", `/${id}/backfill`, { ...span, to: "2026-01-01T11:20:00Z" });
    expect(wider.body).toMatchObject({ count: 2, alreadyRun: 7 });
    const late = await send("POST", `/${id}/backfill`, { from: "2026-01-01", to: "2099-01-01" });
    expect([late.status, faultPaths(late.body)]).toEqual([422, ["/to"]]);
    const long = await send("POST", `/${id}/backfill`, { from: "2026-01-01", to: "2026-02-01" });
    expect([long.status, faultPaths(long.body)]).toEqual([422, ["/from"]]);
    const turned = await send("POST", `/${id}/backfill`, { from: "2026-02-01", to: "2026-01-01" });
    expect([turned.status, faultPaths(turned.body)]).toEqual([422, ["/to"]]);
  });

  it("rests once its workflow is deleted, and is gone once it is deleted itself", async () => {
    const doomed = await api.addWorkflow();
    const { id } = await make({ workflow: doomed });
    const deleted = await api.request({ method: "DELETE", path: `/api/v1/workflow-definitions/${doomed}` });
    expect(deleted.status).toBe(204);
    expect((await send("GET", `/${id}`)).body).toMatchObject({
      workflow: null,
      nextRunAt: null,
      nextRuns: [],
    });
    expect((await send("POST", `/${id}/trigger`)).status).toBe(409);
    const revived = await send("PATCH", `/${id}`, { workflow });
    expect(revived.body["nextRunAt"]).not.toBeNull();
    expect((await send("DELETE", `/${id}`)).status).toBe(204);
    expect((await send("DELETE", `/${id}`)).status).toBe(404);
  });

  it("gives each role what is its own", async () => {
    const { id } = await make({});
    const body = () => ({ name: named(), workflow, everySeconds: 3600 });
    const span = { from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" };
    const matrix: [string, string, (() => object) | undefined, number[]][] = [
      ["GET", "", undefined, [200, 200, 200, 200]],
      ["GET", `/${id}`, undefined, [200, 200, 200, 200]],
      ["POST", "", body, [403, 403, 201, 201]],
      ["PATCH", `/${id}`, () => ({ catchUp: "all" }), [403, 403, 200, 200]],
      ["POST", `/${id}/pause`, undefined, [403, 200, 200, 200]],
      ["POST", `/${id}/resume`, undefined, [403, 200, 200, 200]],
      ["POST", `/${id}/trigger`, undefined, [403, 202, 202, 202]],
      ["POST", `/${id}/backfill`, () => span, [403, 403, 202, 202]],
      ["DELETE", `/${id}`, undefined, [403, 403, 204, 404]],
    ];
    for (const [method, path, toBody, expected] of matrix) {
      const found: number[] = [];
      for (const as of ROLES) {
        const sent = toBody ? { body: toBody() } : {};
        found.push((await api.request({ as, method, path: `${PATH}${path}`, ...sent })).status);
      }
      expect([method, path, found]).toEqual([method, path, expected]);
      expect((await api.request({ as: null, method, path: `${PATH}${path}` })).status).toBe(401);
    }
  });
});
