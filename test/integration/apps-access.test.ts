import { symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import WebSocket from "ws";
import { newId } from "../../src/core/ids.js";
import type { OpenedApp } from "../../src/executors/types.js";
import { createResultSpool } from "../../workers/execution/result-spool.js";
import { openApps, type WorkerApps } from "../../workers/apps/open-apps.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { type AppHarness, openAppHarness, startExecution } from "../support/app-harness.js";
import { eventually } from "../support/eventually.js";
import { isRunning } from "../support/execution.js";
import { loadEchoApp } from "../support/load-echo-app.js";

const NOBODY = "0193d5a1-7b1c-7000-8000-0000000000ff";

let harness: AppHarness;
let isolation: WorkerSandbox;
let apps: WorkerApps;

async function openEcho(idleTimeoutSeconds = 600): Promise<OpenedApp> {
  return await (await startExecution(harness, apps.host)).open({ mode: "server", idleTimeoutSeconds });
}

async function serveEcho(app: OpenedApp, more: { socketName?: string } = {}): Promise<void> {
  await app.serve({
    kind: "process",
    socketName: "app.sock",
    healthPath: "/health",
    command: {
      command: process.execPath,
      args: ["--input-type=module", "-e", loadEchoApp()],
      ...{ env: {}, memoryMb: 512, timeoutSeconds: 600, network: true },
    },
    ...more,
  });
}

async function ask(
  path: string,
  more: { token?: string | null; method?: string; headers?: Record<string, string>; body?: object } = {},
) {
  return await harness.request({ path, ...more });
}

async function shake(path: string, headers: Record<string, string>): Promise<string> {
  return await new Promise((resolve) => {
    const socket = new WebSocket(harness.url.replace("http", "ws") + path, { headers });
    socket.on("unexpected-response", (_request, answer) => resolve(String(answer.statusCode)));
    socket.on("open", () => socket.send("hi"));
    socket.on("message", (data) => {
      resolve(String(data as Buffer));
      socket.close();
    });
    socket.on("error", () => resolve("error"));
  });
}

const cookie = (token: string) => ({ cookie: `headrace_session=${token}; theme=dark` });

describe("apps behind the sign-in", () => {
  let app: OpenedApp;

  beforeAll(async () => {
    harness = await openAppHarness({});
    isolation = await createSandbox({
      requested: "process",
      workRoot: join(harness.platform.settings.DATA_DIR, "work-apps"),
    });
    apps = await openApps(harness.platform, {
      id: newId(),
      isolation,
      spool: createResultSpool({
        ...harness.platform,
        folder: join(harness.platform.settings.DATA_DIR, "spool"),
      }),
    });
    app = await openEcho();
    await serveEcho(app);
  }, 60_000);
  afterAll(async () => {
    await apps?.close();
    await isolation?.sandbox.close();
    await harness?.close();
  });

  it("are judged in order: 401, then 404", async () => {
    for (const id of [app.appId, NOBODY, "nonsense"]) {
      expect((await ask(`/apps/${id}/`, { token: null })).status).toBe(401);
      expect(await shake(`/apps/${id}/x`, {})).toBe("401");
    }
    const { viewer } = harness.people;
    for (const id of [NOBODY, "nonsense", "%00"]) {
      expect((await ask(`/apps/${id}/`, { token: viewer.token })).status).toBe(404);
      expect(await shake(`/apps/${id}/x`, { authorization: `Bearer ${viewer.token}` })).toBe("404");
    }
    expect((await ask(`/apps/${app.appId}/`, { token: "nonsense" })).status).toBe(401);
    expect((await ask("/apps", { token: viewer.token })).status).toBe(404);
  });

  it("get neither our cookies nor a token, and know who asks", async () => {
    const { status, body, headers } = await ask(`/apps/${app.appId}/a/b?c=d`, {
      token: harness.people.viewer.token,
      headers: {
        ...cookie("x"),
        "x-headrace-gateway": "forged",
        origin: "https://evil.example",
        "x-own": "1",
      },
    });
    const seen = body as unknown as { url: string; headers: Record<string, string> };
    expect([status, seen.url]).toEqual([200, "/a/b?c=d"]);
    expect(seen.headers).toMatchObject({
      cookie: "theme=dark",
      "x-own": "1",
      "x-headrace-user": "viewer%40example.com",
    });
    for (const name of ["authorization", "origin", "x-headrace-gateway"])
      expect(seen.headers).not.toHaveProperty(name);
    expect(headers["content-security-policy"]).toBe(
      "sandbox allow-scripts allow-forms allow-popups allow-downloads",
    );
    expect(headers["set-cookie"]).toEqual([`own=1; Path=/apps/${app.appId}/`]);
    for (const name of ["service-worker-allowed", "clear-site-data", "access-control-allow-origin"])
      expect(headers).not.toHaveProperty(name);
    expect((await ask(`/apps/${app.appId}/moved`)).headers.location).toBe(`/apps/${app.appId}/elsewhere`);
  });

  it("open for a person by a link of their own, which ends with the sign-in", async () => {
    const { viewer } = harness.people;
    const first = await ask(`/apps/${app.appId}/page`, {
      token: null,
      headers: { ...cookie(viewer.token), "sec-fetch-mode": "navigate" },
    });
    expect(first.status).toBe(302);
    const place = String(first.headers.location);
    const page = await ask(place, { token: null, headers: { "sec-fetch-mode": "navigate" } });
    expect(page.status).toBe(200);
    expect(page.headers["access-control-allow-origin"]).toBe("*");
    expect(page.headers["content-security-policy"]).toContain("sandbox");
    const [script = ""] = /\/apps\/[^"]*origin\.js/.exec(page.text) ?? [];
    expect((await ask(script, { token: null })).text).toContain("document");
    const link = place.replace(/\/page$/, "");
    expect(await shake(`${link}/x`, { origin: "null" })).toBe("hi");
    const other = await openEcho();
    expect((await ask(place.replace(app.appId, other.appId), { token: null })).status).toBe(401);
    expect((await ask(`${link.slice(0, -2)}xx/`, { token: null })).status).toBe(401);
    const open = new WebSocket(`${harness.url.replace("http", "ws")}${link}/x`);
    const closed = new Promise((resolve) => open.on("close", resolve));
    await new Promise((resolve) => open.on("open", resolve));
    await harness.platform.knex("sessions").where("id", viewer.sessionId).update({ revoked_at: new Date() });
    await closed;
    expect((await ask(place, { token: null })).status).toBe(401);
    await harness.platform.knex("sessions").where("id", viewer.sessionId).update({ revoked_at: null });
  }, 30_000);

  it("end an answer that goes on, with the sign-in", async () => {
    const { operator } = harness.people;
    const headers = { authorization: `Bearer ${operator.token}` };
    const answer = await new Promise<IncomingMessage>((resolve) =>
      get(`${harness.url}/apps/${app.appId}/endless`, { headers }, resolve),
    );
    await new Promise((resolve) => answer.once("data", resolve));
    answer.on("error", () => undefined).resume();
    const closed = new Promise((resolve) => answer.once("close", resolve));
    const sessions = harness.platform.knex("sessions").where("id", operator.sessionId);
    await sessions.clone().update({ revoked_at: new Date() });
    await closed;
    await sessions.clone().update({ revoked_at: null });
  }, 20_000);

  it("are used by those who may decide on runs, where a step waits for what they send back", async () => {
    const starter = await startExecution(harness, apps.host, { waitForSubmit: true });
    const awaited = await starter.open({ mode: "server", idleTimeoutSeconds: 600 });
    await serveEcho(awaited);
    const path = `/apps/${awaited.appId}/x`;
    const { viewer, operator } = harness.people;
    const shakeAs = async (token: string) => await shake(path, { authorization: `Bearer ${token}` });
    const post = async (token: string) => (await ask(path, { token, method: "POST", body: {} })).status;
    expect((await ask(path, { token: viewer.token })).status).toBe(200);
    expect([await shakeAs(viewer.token), await post(viewer.token)]).toEqual(["403", 403]);
    expect([await shakeAs(operator.token), await post(operator.token)]).toEqual(["hi", 200]);
    // to others a viewer may talk
    expect(await shake(`/apps/${app.appId}/x`, { authorization: `Bearer ${viewer.token}` })).toBe("hi");
    await awaited.abandon("test");
  }, 30_000);

  it("give no link to a page of another origin that frames them", async () => {
    const frame = async (site: string, dest = "iframe") => {
      const headers = { "sec-fetch-mode": "navigate", "sec-fetch-dest": dest, "sec-fetch-site": site };
      const { token } = harness.people.viewer;
      const path = `/apps/${app.appId}/page`;
      return (await ask(path, { token: null, headers: { ...cookie(token), ...headers } })).status;
    };
    expect(await frame("same-origin")).toBe(302);
    expect(await frame("none", "document")).toBe(302);
    // the apps' own origin is another one on the same site
    expect(await frame("same-site")).toBe(403);
    expect(await frame("cross-site", "embed")).toBe(403);
  });

  it("take a WebSocket by cookie from our own pages alone", async () => {
    const { operator } = harness.people;
    const path = `/apps/${app.appId}/x`;
    expect(await shake(path, { authorization: `Bearer ${operator.token}` })).toBe("hi");
    expect(await shake(path, { ...cookie(operator.token), origin: harness.url })).toBe("hi");
    for (const origin of ["https://evil.example", "null", `${harness.url}.evil.example`])
      expect(await shake(path, { ...cookie(operator.token), origin })).toBe("403");
    expect(await shake(path, { authorization: `Bearer ${operator.token}`, host: "evil.example" })).toBe(
      "421",
    );
    expect((await ask(path, { token: null, method: "POST", headers: cookie(operator.token) })).status).toBe(
      403,
    );
  });

  it("start again after a crash, and the row counts it", async () => {
    const before = (await ask(`/apps/${app.appId}/`)).body["pid"];
    expect((await ask(`/apps/${app.appId}/crash`)).status).toBe(502);
    await eventually("restart", async () => {
      const { status, body } = await ask(`/apps/${app.appId}/`);
      return status === 200 && body["pid"] !== before;
    });
    const { body } = await ask(`/api/v1/apps/${app.appId}`);
    expect(body).toMatchObject({ status: "running", restarts: 1, name: "echo" });
    expect(body["logTail"]).toBeDefined();
    const idsOf = async (query: string) => {
      const { items } = (await ask(`/api/v1/apps?${query}`)).body as unknown as { items: { id: string }[] };
      return items.map(({ id }) => id);
    };
    expect(await idsOf(`runId=${String(body["runId"])}`)).toEqual([app.appId]);
    expect(await idsOf("status=running")).toContain(app.appId);
    expect(await idsOf("runId=nonsense")).toEqual([]);
  });

  it("cannot end each other by what they print", async () => {
    const line = `${"x".repeat(499)}😀`;
    await ask(`/apps/${app.appId}/say?${encodeURIComponent(line)}`);
    await eventually("the heartbeat tells of it", async () => {
      const { body } = await ask(`/api/v1/apps/${app.appId}`);
      return (body["logTail"] as unknown as string[]).includes(`${"x".repeat(499)}\ufffd`);
    });
    expect((await ask(`/api/v1/apps/${app.appId}`)).body["status"]).toBe("running");
  }, 20_000);

  it("are no more than a worker may have", async () => {
    const { platform } = harness;
    const few = await openApps(
      { ...platform, settings: { ...platform.settings, MAX_APPS: 1 } },
      {
        id: newId(),
        isolation,
        spool: createResultSpool({ ...platform, folder: join(platform.settings.DATA_DIR, "spool") }),
      },
    );
    const starter = await startExecution(harness, few.host);
    const wanted = { mode: "server", idleTimeoutSeconds: 600 } as const;
    const [one, other] = await Promise.allSettled([starter.open(wanted), starter.open(wanted)]);
    expect(one.status).toBe("fulfilled");
    expect(other).toMatchObject({
      reason: { code: "upstream_error", message: expect.stringContaining("MAX_APPS") },
    });
    await few.close();
  });

  it("stop when nobody uses them; an open connection is use", async () => {
    const idle = await openEcho(1);
    await serveEcho(idle);
    const path = `${harness.url.replace("http", "ws")}/apps/${idle.appId}/x`;
    const open = new WebSocket(path, { headers: { authorization: `Bearer ${harness.people.viewer.token}` } });
    await new Promise((resolve) => open.on("open", resolve));
    await new Promise((resolve) => setTimeout(resolve, 4500));
    expect((await ask(`/api/v1/apps/${idle.appId}`)).body["status"]).toBe("running");
    open.close();
    await eventually(
      "stopped",
      async () => (await ask(`/api/v1/apps/${idle.appId}`)).body["status"] === "stopped",
    );
    expect((await ask(`/apps/${idle.appId}/`)).status).toBe(409);
  }, 30_000);

  it("stop on demand with all their processes, for those who may", async () => {
    const { viewer, operator } = harness.people;
    const stopped = await openEcho();
    await serveEcho(stopped);
    const pid = Number((await ask(`/apps/${stopped.appId}/`)).body["pid"]);
    const path = `/api/v1/apps/${stopped.appId}/stop`;
    expect((await ask(path, { method: "POST", token: viewer.token })).status).toBe(403);
    expect((await ask(path, { method: "POST", token: operator.token })).status).toBe(202);
    await eventually(
      "stopped",
      async () => (await ask(`/api/v1/apps/${stopped.appId}`)).body["status"] === "stopped",
    );
    expect(isRunning(pid)).toBe(false);
    expect((await ask(`/api/v1/apps/${stopped.appId}`)).body["reason"]).toBe(
      "Stopped by operator@example.com",
    );
    expect((await ask(path, { method: "POST", token: operator.token })).status).toBe(409);
    const audit = await harness.platform
      .knex("action_logs")
      .where({ action: "app.stop", entity_id: stopped.appId });
    expect(audit.map((entry) => entry.outcome).sort()).toEqual(["denied", "failed", "succeeded"]);
  }, 30_000);

  it("cannot lead the worker to a socket that is not theirs", async () => {
    const sly = await openEcho();
    await serveEcho(sly);
    await rm(join(sly.folder, "app.sock"));
    symlinkSync(join(app.folder, "app.sock"), join(sly.folder, "app.sock"));
    expect((await ask(`/apps/${sly.appId}/`)).status).toBe(502);
    await sly.abandon("test");
  });

  it("are told apart from those on machines out of reach", async () => {
    await harness.platform.knex("apps").where("id", app.appId).update({ hostname: "elsewhere" });
    const { status, body } = await ask(`/apps/${app.appId}/`);
    await harness.platform
      .knex("apps")
      .where("id", app.appId)
      .update({ hostname: (await import("node:os")).hostname() });
    expect([status, String(body["detail"])]).toEqual([503, expect.stringContaining("APPS_ADVERTISE")]);
  });

  it("fail with their worker", async () => {
    const { knex } = harness.platform;
    const row = (await knex("apps").where("id", app.appId).first()) as Record<string, unknown>;
    const id = newId();
    await knex("apps").insert({ ...row, id, log_tail: "[]", worker_id: newId(), lease_until: new Date(0) });
    await eventually("failed", async () => (await ask(`/api/v1/apps/${id}`)).body["status"] === "failed");
    expect((await ask(`/apps/${id}/`)).status).toBe(409);
  });
});
