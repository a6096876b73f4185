import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { type AppHarness, openAppHarness } from "../support/app-harness.js";
import { eventually } from "../support/eventually.js";
import { openBrowser } from "../support/open-browser.js";
import { describeStreamlit, findStreamlit } from "../support/streamlit.js";

const python = await findStreamlit();

const REVIEW = `
import headrace
import streamlit as st

st.title("Review of " + headrace.inputs["region"])
limit = st.slider("Limit", 0, 100, headrace.inputs()["limit"])
st.write(f"The limit is {limit}")
if st.button("Send"):
    try:
        headrace.submit({"limit": limit})
        st.success("Taken")
    except headrace.SubmitError as error:
        st.error(f"Refused: {error}")
`;
const LIMIT = {
  type: "object",
  properties: { limit: { type: "integer", maximum: 50 } },
  required: ["limit"],
};

let harness: AppHarness;

async function get(path: string): Promise<Record<string, never>> {
  return (await harness.request({ path })).body as Record<string, never>;
}

async function stepOf(runId: string): Promise<Record<string, never>> {
  return (await get(`/api/v1/workflow-runs/${runId}/steps`))["items"]?.[0] as unknown as Record<
    string,
    never
  >;
}

async function waitForStep(runId: string, status: string): Promise<Record<string, never>> {
  let step = await stepOf(runId);
  await eventually(
    `step ${status}`,
    async () => {
      step = await stepOf(runId);
      if (["failed", "canceled"].includes(step["status"] ?? "") && step["status"] !== status)
        throw new Error(JSON.stringify(step["error"]));
      return step["status"] === status;
    },
    60_000,
  );
  return step;
}

describeStreamlit(python, "Streamlit apps", () => {
  let browser: Browser;

  beforeAll(async () => {
    harness = await openAppHarness({ PYTHON: python ?? "" });
    browser = await openBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await harness?.close();
  });

  async function openPage(token: string): Promise<{ page: Page; context: BrowserContext }> {
    const context = await browser.newContext();
    await context.addCookies([
      { name: "headrace_session", value: token, url: harness.url, httpOnly: true, sameSite: "Strict" },
    ]);
    return { page: await context.newPage(), context };
  }

  it("let a step wait for what a person sends back, without a worker's slot", async () => {
    const runId = await harness.startApp(
      { code: REVIEW },
      {
        step: { waitForSubmit: true },
        inputs: { region: "north", limit: 70 },
        version: { outputSchema: LIMIT },
      },
    );
    const step = await waitForStep(runId, "waiting");
    const [reason] = step["waitingFor"] as unknown as {
      reason: string;
      detail: string;
      appId: string;
      url: string;
    }[];
    expect(reason).toMatchObject({ reason: "submit", detail: `submit of app ${reason?.appId}` });
    const { page, context } = await openPage(harness.people.operator.token);
    const failures: string[] = [];
    page.on("pageerror", (error) => failures.push(String(error)));
    await page.goto(`${harness.url}${reason?.url}`);
    await page.getByRole("heading", { name: "Review of north" }).waitFor({ timeout: 30_000 });
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("Refused: /limit").waitFor();
    await page.getByRole("slider").focus();
    for (let press = 0; press < 25; press += 1) await page.keyboard.press("ArrowLeft");
    await page.getByText("The limit is 45").waitFor();
    if (process.env["TEST_SCREENSHOT"]) await page.screenshot({ path: process.env["TEST_SCREENSHOT"] });
    // it has no origin, so it cannot act as the person who looks at it
    expect(await page.evaluate("self.origin")).toBe("null");
    expect(
      await page.evaluate(`fetch("${harness.url}/api/v1/workflow-runs").then(() => "read", () => "refused")`),
    ).toBe("refused");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("Taken").waitFor();
    expect(failures).toEqual([]);
    await context.close();
    expect((await waitForStep(runId, "succeeded"))["output"]).toEqual({ limit: 45 });
    expect((await get(`/api/v1/workflow-runs/${runId}`))["status"]).toBe("succeeded");
    await eventually(
      "app stopped",
      async () => (await get(`/api/v1/apps/${reason?.appId}`))["status"] === "stopped",
    );
  }, 90_000);

  it("end with their step: by cancel, by an operator, by time", async () => {
    const started = async (more: object) =>
      await harness.startApp(
        { code: REVIEW },
        { inputs: { region: "x", limit: 1, waitForSubmit: true }, ...more },
      );
    const appOf = async (runId: string) =>
      (await get(`/api/v1/apps?runId=${runId}`))["items"]?.[0] as unknown as {
        id: string;
        status: string;
      };
    const [canceled, stopped, late] = await Promise.all([
      started({}),
      started({}),
      started({ step: { timeoutSeconds: 30 } }),
    ]);
    for (const runId of [canceled, stopped, late]) await waitForStep(runId, "waiting");
    await harness.request({ method: "POST", path: `/api/v1/workflow-runs/${canceled}/cancel` });
    await harness.request({ method: "POST", path: `/api/v1/apps/${(await appOf(stopped)).id}/stop` });
    expect((await waitForStep(stopped, "failed"))["error"]).toMatchObject({ code: "canceled" });
    // the clock of the step, put forward
    await harness.platform
      .knex("step_runs")
      .where("run_id", late)
      .update({ due_at: new Date(0) });
    expect((await waitForStep(late, "failed"))["error"]).toMatchObject({ code: "timeout" });
    for (const runId of [canceled, stopped, late])
      await eventually("stopped", async () => (await appOf(runId)).status === "stopped", 30_000);
    expect((await get(`/api/v1/workflow-runs/${canceled}`))["status"]).toBe("canceled");
  }, 120_000);

  it("outlive a step that does not wait, and say where they are", async () => {
    const runId = await harness.startApp({ code: REVIEW }, { inputs: { region: "x", limit: 1 } });
    const output = (await waitForStep(runId, "succeeded"))["output"] as unknown as Record<string, string>;
    expect(output).toEqual({ appId: output["appId"], url: `/apps/${output["appId"]}/`, status: "running" });
    const health = await harness.request({ path: `${output["url"]}_stcore/health` });
    expect([health.status, health.text]).toEqual([200, "ok"]);
    await harness.request({ method: "POST", path: `/api/v1/apps/${output["appId"]}/stop` });
  }, 60_000);
});
