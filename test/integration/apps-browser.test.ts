import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Browser } from "playwright-core";
import { readInstallerEnvironment } from "../../src/config/installer-environment.js";
import { newId } from "../../src/core/ids.js";
import { createEnvironmentCache } from "../../src/executors/script/environment-cache.js";
import type { StreamlitAppConfig } from "../../src/executors/streamlit/definition.js";
import { prepareStlite } from "../../src/executors/streamlit/stlite-pages.js";
import type { ExecutionContext, OpenedApp } from "../../src/executors/types.js";
import type { ExecutionApps } from "../../workers/apps/app-host.js";
import { createResultSpool } from "../../workers/execution/result-spool.js";
import { openApps, type WorkerApps } from "../../workers/apps/open-apps.js";
import { createSecretMask } from "../../workers/execution/secret-mask.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { type AppHarness, openAppHarness, startExecution } from "../support/app-harness.js";
import { eventually } from "../support/eventually.js";
import { hasProgram } from "../support/has-program.js";
import { openBrowser } from "../support/open-browser.js";
import { describeWith } from "../support/requirements.js";
import { APP_CACHE } from "../support/streamlit.js";

const CONFIG = {
  type: "streamlit_app",
  code: "import headrace",
  mainScriptPath: "app.py",
  mode: "browser",
  idleTimeoutSeconds: 600,
  memoryMb: 512,
} as StreamlitAppConfig;

let harness: AppHarness;
let isolation: WorkerSandbox;
let apps: WorkerApps;
let browser: Browser;

/** An app in the browser, as the executor starts one. */
async function openPages(
  starter: ExecutionApps,
  pyodideUrl?: string,
  more: { input?: object; secrets?: Record<string, string> } = {},
): Promise<OpenedApp> {
  const environments = createEnvironmentCache({
    cacheDir: join(APP_CACHE, "environments"),
    installerEnv: readInstallerEnvironment(),
  });
  const context = {
    ...{ sandbox: isolation.sandbox, signal: AbortSignal.timeout(200_000), timeoutSeconds: 200 },
    ...{ emit: { log: () => undefined }, apps: starter, secrets: more.secrets ?? {} },
  } as unknown as ExecutionContext;
  const input = { region: "north", ...more.input };
  const serving = await prepareStlite({ environments, pyodideUrl }, { config: CONFIG, input, context });
  const app = await starter.open({ mode: "browser", idleTimeoutSeconds: 600 });
  await app.serve(serving);
  return app;
}

describeWith(hasProgram("chromium"), "apps in the browser", () => {
  beforeAll(async () => {
    harness = await openAppHarness({});
    isolation = await createSandbox({ requested: "process", workRoot: join(APP_CACHE, "work") });
    apps = await openApps(harness.platform, {
      id: newId(),
      isolation,
      spool: createResultSpool({
        ...harness.platform,
        folder: join(harness.platform.settings.DATA_DIR, "spool"),
      }),
    });
    browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await apps?.close();
    await isolation?.sandbox.close();
    await harness?.close();
  });

  async function visit(app: OpenedApp) {
    const context = await browser.newContext();
    const value = harness.people.operator.token;
    await context.addCookies([{ name: "headrace_session", value, url: harness.url, sameSite: "Strict" }]);
    const page = await context.newPage();
    await page.goto(harness.url + app.url);
    return page;
  }

  it("serve their page, files and inputs, from here alone", async () => {
    const app = await openPages(await startExecution(harness, apps.host));
    const page = await visit(app);
    await page.getByText("PYODIDE_URL").waitFor();
    expect(await page.evaluate("self.origin")).toBe("null");
    const told = await harness.request({ path: `${app.url}_headrace/app.json` });
    expect(told.body).toMatchObject({ entrypoint: "app.py", inputs: { region: "north" }, pyodideUrl: null });
    const { headers } = await harness.request({ path: app.url });
    expect(headers["content-security-policy"]).toMatch(
      /^sandbox [^,]*, default-src 'none'; script-src 'self' blob:/,
    );
    for (const path of ["_stlite/stlite.js", "_stlite/wheels/stlite_lib-0.1.0-py3-none-any.whl"])
      expect((await harness.request({ path: app.url + path })).status).toBe(200);
    for (const path of [
      "_stlite/../package.json",
      "_stlite/%2e%2e/package.json",
      "_stlite/absent.js",
      "etc/passwd",
    ])
      expect((await harness.request({ path: app.url + path })).status).toBe(404);
  }, 240_000);

  it("boot as far as Pyodide, from where the setting says", async () => {
    const asked: string[] = [];
    const server: Server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(404, { "Access-Control-Allow-Origin": "*" });
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const app = await openPages(await startExecution(harness, apps.host), `http://127.0.0.1:${port}/full`);
    await visit(app);
    await eventually("Pyodide asked for", () => asked.includes("/full/pyodide.mjs"), 30_000);
    await new Promise((resolve) => server.close(resolve));
  }, 90_000);

  it("send values back, as pages without an origin can: judged by the schema, taken once", async () => {
    const outputSchema = { type: "object", required: ["limit"] };
    const app = await openPages(
      await startExecution(harness, apps.host, { outputSchema, waitForSubmit: true }),
    );
    const page = await visit(app);
    const send = async (body: string) =>
      (await page.evaluate(
        `fetch("./_headrace/submit", { method: "POST", body: ${JSON.stringify(body)} }).then((answer) => answer.json())`,
      )) as { ok: boolean; error: string };
    expect(await send("nonsense")).toMatchObject({ ok: false });
    expect(await send('{"values":{}}')).toMatchObject({ ok: false, errors: [{ path: "/limit" }] });
    expect(await send('{"values":{"limit":1}}')).toEqual({ ok: true });
    expect(await send('{"values":{"limit":2}}')).toMatchObject({
      ok: false,
      error: "The values were sent already",
    });
    const { runId } = (await harness.request({ path: `/api/v1/apps/${app.appId}` })).body as unknown as {
      runId: string;
    };
    const run = await harness.platform.knex("workflow_runs").where("id", runId).first("status", "output");
    expect(run).toMatchObject({ status: "succeeded", output: { wait: { limit: 1 } } });
  }, 60_000);

  it("are refused secrets", async () => {
    const starter = await startExecution(harness, apps.host, { mask: createSecretMask(["hunter22"]) });
    const refused = { code: "invalid_input", message: expect.stringContaining("cannot have secrets") };
    await expect(openPages(starter, undefined, { input: { a: "hunter22" } })).rejects.toMatchObject(refused);
    await expect(openPages(starter, undefined, { secrets: { KEY: "x" } })).rejects.toMatchObject(refused);
  });
});
