import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { eventually } from "../support/eventually.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

describeWith(hasProgram("chromium"), "the console's home and list of runs", () => {
  let harness: ConsoleHarness;
  const start = async (workflow: string, more: object = {}, wait = 0) =>
    String((await harness.call("POST", `/api/v1/workflow-runs?wait=${wait}`, { workflow, ...more }))["id"]);
  beforeAll(async () => {
    harness = await openConsoleHarness();
    const define = async (name: string, steps: object[]) =>
      await harness.call("POST", "/api/v1/workflow-definitions", { name, definition: { steps } });
    await define("quick", [{ id: "say", uses: "builtin:noop" }]);
    await define("slow", [{ id: "wait", uses: "builtin:wait", inputs: { seconds: { value: 600 } } }]);
    for (let index = 0; index < 70; index += 1) await start("quick", { labels: { batch: "one" } });
    await start("quick", { labels: { batch: "two", env: "prod" } }, 30);
  }, 240_000);
  afterAll(async () => {
    await harness?.close();
  });

  const tile = async (page: Page, label: string) =>
    Number(
      (
        await page
          .getByRole("link", { name: new RegExp(`^${label}`) })
          .first()
          .innerText()
      ).match(/\d+$/)?.[0],
    );

  it("shows figures that move by themselves", async () => {
    const { page, context, faults } = await harness.open("/");
    await page.getByText("PostgreSQL").waitFor();
    await page.getByRole("img", { name: /^Runs over time: .*highest/ }).waitFor();
    await page.getByText(/\d of \d+ places busy/).waitFor();
    await page.getByRole("cell", { name: "0" }).first().waitFor();
    const before = await tile(page, "Waiting");
    const id = await start("slow");
    await eventually(
      "the figure of waiting runs has grown",
      async () => (await tile(page, "Waiting")) === before + 1,
    );
    await page
      .getByRole("link", { name: /^Waiting/ })
      .first()
      .click();
    await page.waitForURL(/\/runs\?status=waiting/);
    await page.getByRole("link", { name: /slow/ }).first().waitFor();
    await harness.call("POST", `/api/v1/workflow-runs/${id}/cancel`);
    await page.getByText("No run fits these filters").waitFor();
    expect(faults).toEqual([]);
    await context.close();
  }, 90_000);

  it("keeps filters in the URL: a link shows others the same", async () => {
    const { page, context } = await harness.open("/runs");
    await page.getByRole("row").nth(1).waitFor();
    await page.getByRole("searchbox", { name: /Labels/ }).fill("env:prod");
    await page.waitForURL(/label=env%3Aprod/);
    await page.getByRole("button", { name: "Succeeded", exact: true }).click();
    await page.getByRole("combobox", { name: "Created" }).selectOption("24h");
    await page.getByRole("combobox", { name: "Trigger" }).selectOption("api");
    await eventually("one run is left", async () => (await page.getByRole("row").count()) === 2);
    const { url } = { url: page.url() };
    expect(new URL(url).search).toBe("?label=env%3Aprod&status=succeeded&since=24h&trigger=api");
    const other = await context.newPage();
    await other.goto(url);
    await other.getByRole("button", { name: /env:\s*prod/ }).waitFor();
    expect(await other.getByRole("row").count()).toBe(2);
    await other.getByRole("button", { name: "Clear", exact: true }).click();
    await other.waitForURL(/\/runs$/);
    await context.close();
  }, 60_000);

  it("finds runs by a text, which the URL holds, and acts on what it has found", async () => {
    const id = await start("quick", { labels: { batch: "needle-in-hay" } }, 10);
    const { page, context } = await harness.open("/runs");
    await page.getByRole("row").nth(5).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("quick needle");
    await page.waitForURL(/\?q=quick\+needle$/);
    await eventually("one run is left", async () => (await page.getByRole("row").count()) === 2);
    await page.getByRole("link", { name: id.slice(-8) }).waitFor();
    await page
      .getByRole("group", { name: "Many runs at once" })
      .getByRole("button", { name: "Replay" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Replay", exact: true }).click();
    await page.getByText(/Done: replay, 1 of 1 runs – 1 succeeded/).waitFor();
    await eventually("its replay is found, too", async () => (await page.getByRole("row").count()) === 3);
    await page.getByRole("searchbox", { name: /^Search names/ }).fill(id);
    await eventually("the run is found by its id", async () => (await page.getByRole("row").count()) === 2);
    await page.getByRole("searchbox", { name: /^Search names/ }).fill("nosuchword");
    await page.getByText("No run fits these filters").waitFor();
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await page.waitForURL(/\/runs$/);
    await context.close();
  }, 60_000);

  it("gets further pages as one scrolls, and renders only what is in sight", async () => {
    const { page, context } = await harness.open("/runs?label=batch%3Aone", { height: 700 });
    await page.getByRole("row").nth(5).waitFor();
    expect(await page.getByRole("table").getAttribute("aria-rowcount")).toBe("51");
    await page.mouse.move(700, 500);
    await eventually("all rows are known", async () => {
      await page.mouse.wheel(0, 2000);
      return (await page.getByRole("table").getAttribute("aria-rowcount")) === "71";
    });
    expect(await page.getByRole("row").count()).toBeLessThan(60);
    await context.close();
  }, 60_000);

  it("reruns many runs that have failed, step by step to be followed", async () => {
    await harness.call("POST", "/api/v1/workflow-definitions", {
      name: "fails",
      definition: { steps: [{ id: "x", uses: "builtin:noop", when: "$error('no')" }] },
    });
    for (let index = 0; index < 12; index += 1) await start("fails", { labels: { bulk: "rerun" } }, 10);
    const { page, context } = await harness.open("/runs?q=bulk:rerun&status=failed");
    await eventually("all are there", async () => (await page.getByRole("row").count()) === 13);
    await page
      .getByRole("group", { name: "Many runs at once" })
      .getByRole("button", { name: "Rerun" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Rerun", exact: true }).click();
    await page.getByText(/Under way: rerun, \d+ of 12 runs/).waitFor();
    await page.getByText(/Done: rerun, 12 of 12 runs – 12 succeeded/).waitFor();
    const { items } = await harness.call("GET", "/api/v1/workflow-runs?workflow=fails&limit=50");
    expect((items as unknown[]).length).toBe(24);
    await context.close();
  }, 90_000);

  it("cancels many at once, and says how far it is", async () => {
    const ids = [
      await start("slow", { labels: { bulk: "yes" } }),
      await start("slow", { labels: { bulk: "yes" } }),
    ];
    const { page, context } = await harness.open("/runs?label=bulk%3Ayes");
    await page.getByRole("row").nth(2).waitFor();
    await page.getByRole("checkbox", { name: "Select all that are loaded" }).check();
    await page.getByText("2 selected").waitFor();
    await page
      .getByRole("group", { name: "Many runs at once" })
      .getByRole("button", { name: "Cancel" })
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel", exact: true }).click();
    await page.getByText(/Done: cancel, 2 of 2 runs – 2 succeeded/).waitFor();
    for (const id of ids)
      expect(await harness.call("GET", `/api/v1/workflow-runs/${id}`)).toMatchObject({ status: "canceled" });
    await eventually(
      "both rows say so",
      async () => (await page.getByRole("row", { name: /Canceled/ }).count()) === 2,
    );
    await context.close();
  }, 60_000);
});
