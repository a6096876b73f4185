import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { eventually } from "../support/eventually.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

/** Fails as long as no file of that name is there, which is the same for every attempt and run. */
const TALKS = `
import time

def main(lines, fail):
    for line in range(lines):
        print(f"\\033[32mline\\033[0m {line}", flush=True)
        time.sleep(0.05)
    if fail:
        raise ValueError("the number 42 was not expected")
    return {"lines": lines}
`;

describeWith(hasProgram("chromium"), "the console's page of a run", () => {
  let harness: ConsoleHarness;
  const start = async (workflow: string, input: object = {}, wait = 0) =>
    String((await harness.call("POST", `/api/v1/workflow-runs?wait=${wait}`, { workflow, input }))["id"]);
  beforeAll(async () => {
    harness = await openConsoleHarness();
    await harness.call("POST", "/api/v1/mcp-definitions", {
      name: "talks",
      mcpType: "python_script",
      version: {
        version: "1.0.0",
        config: { type: "python_script", code: TALKS },
        inputSchema: { type: "object", properties: { lines: {}, fail: {} }, required: ["lines", "fail"] },
      },
    });
    await harness.call("POST", "/api/v1/workflow-definitions", {
      name: "talk",
      definition: {
        inputs: {
          type: "object",
          properties: { lines: { type: "integer", maximum: 500 }, fail: { type: "boolean" } },
          required: ["lines", "fail"],
        },
        steps: [
          { id: "first", uses: "builtin:noop", inputs: { said: { value: "hello" } } },
          {
            id: "talk",
            uses: "mcp:talks",
            dependsOn: ["first"],
            inputs: { lines: { input: "/lines" }, fail: { input: "/fail" } },
          },
          { id: "last", uses: "builtin:noop", dependsOn: ["talk"] },
        ],
      },
    });
    await harness.call("POST", "/api/v1/workflow-definitions", {
      name: "ask",
      definition: {
        steps: [
          {
            id: "release",
            uses: "builtin:approval",
            inputs: {
              message: { value: "Release it?" },
              form: {
                value: {
                  type: "object",
                  properties: { percent: { type: "integer", minimum: 1, maximum: 100, title: "Percent" } },
                  required: ["percent"],
                },
              },
            },
          },
          { id: "after", uses: "builtin:noop", dependsOn: ["release"] },
        ],
      },
    });
  }, 240_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("follows a run to its end by events alone: steps, logs with colours, status", async () => {
    const id = await start("talk", { lines: 40, fail: false });
    const { page, context, faults } = await harness.open(`/runs/${id}?step=talk&tab=logs`);
    const log = page.getByRole("log");
    await log
      .getByText(/^line \d+$/)
      .first()
      .waitFor();
    // the page was loaded once; what comes now comes by the stream
    await page.getByRole("banner").or(page.locator("h1")).first().waitFor();
    await page.locator("h1").locator("xpath=..").getByText("Succeeded").waitFor({ timeout: 30_000 });
    await log.getByText("line 39", { exact: true }).waitFor();
    const colours = (await page.evaluate(`[...document.querySelectorAll("[role=log] span")]
      .filter((element) => /^(line| 39)$/.test(element.textContent))
      .map((element) => getComputedStyle(element).color)`)) as string[];
    expect(new Set(colours).size).toBe(2);
    await page.getByRole("button", { name: /Succeeded last/ }).waitFor();
    expect(faults).toEqual([]);
    await context.close();
  }, 90_000);

  it("takes the stream up again where it was lost, without a line lost or doubled", async () => {
    const id = await start("talk", { lines: 160, fail: false });
    const { page, context } = await harness.open(`/runs/${id}?step=talk&tab=logs`);
    const log = page.getByRole("log");
    await log
      .getByText(/^line \d+$/)
      .first()
      .waitFor();
    await context.setOffline(true);
    await page.waitForTimeout(1200);
    await context.setOffline(false);
    await log.getByText("line 159", { exact: true }).waitFor({ timeout: 40_000 });
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download the log" }).click();
    const lines = readFileSync(await (await download).path(), "utf8")
      .trim()
      .split("\n");
    const numbers = lines
      .filter((line) => line.includes("stdout"))
      .map((line) => Number(line.split(" ").at(-1)));
    expect(numbers).toEqual(Array.from({ length: 160 }, (_, index) => index));
    await context.close();
  }, 90_000);

  it("shows what failed and where, finds it in the log, reruns from there and compares the two", async () => {
    const id = await start("talk", { lines: 3, fail: true }, 60);
    const { page, context } = await harness.open(`/runs/${id}`);
    await page.getByRole("region", { name: "trace" }).waitFor();
    expect(await page.getByRole("region", { name: "trace" }).innerText()).toMatch(
      /line 9, in main[\s\S]*ValueError/,
    );
    expect(await page.getByRole("group", { name: "Error of the run" }).innerText()).toMatch(
      /the number 42 was not expected/,
    );
    await page.getByRole("region", { name: "Step talk" }).getByRole("tab", { name: "Logs" }).click();
    await page.getByLabel("Find in the log").fill("line 2");
    await page.getByText("1 of 1").waitFor();
    await page.getByRole("button", { name: "Rerun from failed" }).click();
    await page.waitForURL((url) => url.pathname.startsWith("/runs/") && !url.pathname.endsWith(id));
    const rerun = await harness.call(
      "GET",
      `/api/v1${new URL(page.url()).pathname.replace("/runs", "/workflow-runs")}`,
    );
    expect(rerun).toMatchObject({ replayOf: id });
    await page.getByRole("link", { name: id.slice(-8) }).waitFor();
    await page.locator("h1").locator("xpath=..").getByText("Failed").waitFor({ timeout: 30_000 });
    await page.getByRole("tab", { name: "Compare" }).click();
    await page.getByText(/Input: the same/).waitFor();
    await context.close();
  }, 90_000);

  it("replays with an input that was edited in the form of its schema, and shows what is wrong with it", async () => {
    const id = await start("talk", { lines: 1, fail: true }, 60);
    const { page, context } = await harness.open(`/runs/${id}`);
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: /Replay with edited input/ }).click();
    const dialog = page.getByRole("dialog");
    await dialog.locator(":focus").waitFor();
    expect(await dialog.locator(":focus").evaluate((field) => field.nodeName)).toBe("INPUT");
    await dialog.getByLabel("lines").fill("501");
    await dialog.getByLabel("fail").uncheck();
    await dialog.getByRole("button", { name: "Replay" }).click();
    await dialog.getByRole("alert").waitFor();
    expect(await dialog.getByRole("alert").innerText()).toMatch(/\/input\/lines/);
    await dialog.getByLabel("lines").fill("2");
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.waitForURL((url) => !url.pathname.endsWith(id));
    await page.locator("h1").locator("xpath=..").getByText("Succeeded").waitFor({ timeout: 30_000 });
    await context.close();
  }, 90_000);

  it("says why a step waits, takes an approval with its form, and goes on", async () => {
    const id = await start("ask");
    const { page, context } = await harness.open(`/runs/${id}`, { as: "operator" });
    await page.getByText("Release it?").waitFor();
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Percent").fill("25");
    await page.getByLabel("Comment").fill("Looks right");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.locator("h1").locator("xpath=..").getByText("Succeeded").waitFor({ timeout: 30_000 });
    const steps = await harness.call("GET", `/api/v1/workflow-runs/${id}/steps`);
    expect(JSON.stringify(steps)).toMatch(/"percent":25/);
    await context.close();
  }, 60_000);

  it("cancels after asking, and tells admins who did so", async () => {
    const id = await start("ask");
    const { page, context } = await harness.open(`/runs/${id}`);
    await page.getByText("Release it?").waitFor();
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
    await page.locator("h1").locator("xpath=..").getByText("Canceled").waitFor();
    await page.getByRole("tab", { name: "Audit" }).click();
    await page.getByText("run.cancel").waitFor();
    await context.close();
  }, 60_000);

  it("shows the graph with live states, and opens a step from it by keyboard", async () => {
    const id = await start("talk", { lines: 200, fail: false });
    const { page, context, faults } = await harness.open(`/runs/${id}?view=graph&step=-`);
    const box = page.getByRole("button", { name: /talk mcp:talks/ });
    await eventually("the step runs", async () => /Running/.test(await box.innerText()), 30_000);
    await eventually(
      "edges join the steps",
      async () => (await page.locator(".react-flow__edge-path").count()) === 2,
    );
    await box.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Step talk" }).waitFor();
    expect(new URL(page.url()).searchParams.get("step")).toBe("talk");
    await eventually("the step has succeeded", async () => /Succeeded/.test(await box.innerText()), 60_000);
    expect(faults).toEqual([]);
    await context.close();
  }, 120_000);
});
