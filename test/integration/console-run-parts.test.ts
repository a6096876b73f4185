import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Locator } from "playwright-core";
import { waitForEnd } from "../support/console-demo.js";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { addRunDemo, answersUntil, type RunDemo, runRunDemo } from "../support/console-run-demo.js";
import { hasProgram } from "../support/has-program.js";
import { type LlmServer, startLlmServer } from "../support/llm-server.js";
import { jupyter } from "../support/notebooks.js";
import { describeWith } from "../support/requirements.js";

/** How wide a picture is by itself: 0 when it could not be read. */
const widthOf = async (picture: Locator) =>
  await picture.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth);

describeWith(
  jupyter.isMet ? hasProgram("chromium") : jupyter,
  "what the page of a run shows of its steps",
  () => {
    let llm: LlmServer;
    let harness: ConsoleHarness;
    let demo: RunDemo;
    beforeAll(async () => {
      llm = await startLlmServer();
      harness = await openConsoleHarness({ ALLOWED_HOSTS_PRIVATE: `127.0.0.1:${llm.port}` });
      await addRunDemo(harness.call, llm);
      demo = await runRunDemo(harness.call, llm);
    }, 240_000);
    afterAll(async () => {
      await harness?.close();
      await llm?.close();
    });
    const start = async (workflow: string, input: object = {}) =>
      String((await harness.call("POST", "/api/v1/workflow-runs", { workflow, input }))["id"]);

    it("shows an executed notebook cell by cell: sources, texts, pictures, and pages in which nothing can act", async () => {
      const { page, context, faults } = await harness.open(
        `/runs/${demo.notebook}?step=analyse&tab=notebook&view=data`,
      );
      const cells = page.getByRole("tabpanel", { name: "Notebook" }).locator("ol > li");
      await cells.filter({ hasText: "Cell 4 of 7" }).getByText("week 8 read").waitFor();
      await cells.filter({ hasText: "Orders by region" }).waitFor();
      const table = cells.filter({ hasText: "class Table" });
      await table.frameLocator("iframe").getByText("islands").waitFor();
      expect(await table.locator("iframe").getAttribute("sandbox")).toBe("");
      const chart = cells.filter({ hasText: "Image(chart)" }).locator("img");
      await chart.waitFor();
      expect(await widthOf(chart)).toBe(320);
      expect(await page.title()).toMatch(/^notebook/);
      expect(faults).toEqual([]);
      await context.close();
    }, 60_000);

    it("shows the cells of a notebook while it runs", async () => {
      const id = await start("notebook", { pause: 600 });
      const { page, context } = await harness.open(`/runs/${id}?step=analyse&tab=notebook`);
      const cells = page.getByRole("tabpanel", { name: "Notebook" }).locator("ol > li");
      await cells.getByText("week 8 read").waitFor({ timeout: 60_000 });
      await cells.filter({ hasText: "Cell 7 of 7" }).getByText("Running").waitFor({ timeout: 30_000 });
      await cells.locator("iframe").waitFor();
      await harness.call("POST", `/api/v1/workflow-runs/${id}/cancel`);
      await page.locator("h1").locator("xpath=..").getByText("Canceled").waitFor();
      await context.close();
    }, 120_000);

    it("shows a model's words as it writes them, the tools that it called, and what that cost", async () => {
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      llm.reply(answersUntil("Sales rose in the north and fell in the south.", ended));
      const id = await start("prompt");
      const { page, context, faults } = await harness.open(`/runs/${id}?step=comment&tab=transcript`);
      const transcript = page.getByRole("tabpanel", { name: "Transcript" });
      await transcript
        .getByText("Sales rose in the north and fell in the south.")
        .waitFor({ timeout: 30_000 });
      await page.locator("h1").locator("xpath=..").getByText("Running").waitFor();
      end();
      await transcript.getByText("And that is all.").waitFor();
      await page.locator("h1").locator("xpath=..").getByText("Succeeded").waitFor({ timeout: 30_000 });
      await transcript.getByText(/30 tokens in, 9 out, cost/).waitFor();

      await page.goto(`${harness.url}/runs/${demo.prompt}?step=comment&tab=transcript`);
      const call = transcript.locator("section").filter({ hasText: "mcp:look-up@1.0.0" });
      await call.getByText("Called with").waitFor();
      expect(await call.innerText()).toMatch(/region\s*islands[\s\S]*Gave[\s\S]*isLate\s*true/);
      await transcript.getByText(/their number will grow/).waitFor();
      await transcript.getByText(/476 tokens in, 65 out, cost/).waitFor();
      expect(faults).toEqual([]);
      await context.close();
    }, 120_000);

    it("shows files for what they are, pages in a frame without scripts, and lets each be downloaded", async () => {
      const { page, context, faults } = await harness.open(`/runs/${demo.files}?view=files&step=-`);
      const show = async (name: string) => {
        const button = page.getByRole("button", { name: new RegExp(name) });
        if ((await button.getAttribute("aria-expanded")) !== "true") await button.click();
      };
      await show("1-chart.png");
      await page.getByRole("img", { name: "1-chart.png" }).waitFor();
      expect(await widthOf(page.getByRole("img", { name: "1-chart.png" }))).toBe(320);
      await show("2-totals.csv");
      const table = page.getByRole("region", { name: "2-totals.csv" });
      await table.getByRole("columnheader", { name: "orders" }).waitFor();
      await table.getByRole("cell", { name: "best, so far" }).waitFor();
      await table.getByRole("cell", { name: "<b>few</b>" }).waitFor();
      await show("3-report.html");
      await page.frameLocator("iframe").getByRole("heading", { name: "Revenue by region" }).waitFor();
      expect(await page.locator("iframe").getAttribute("sandbox")).toBe("");
      expect([page.frames().length, await page.frames()[1]?.title()]).toEqual([2, "Report"]);
      await show("4-summary.json");
      await page.getByRole("region", { name: "4-summary.json" }).getByText("north").waitFor();
      await show("6-model.bin");
      await page.getByText("cannot be shown").waitFor();
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "Download 2-totals.csv" }).click();
      expect((await download).suggestedFilename()).toBe("2-totals.csv");
      await page.getByRole("button", { name: /1-chart\.png write/ }).waitFor();
      expect(faults).toEqual([]);
      await context.close();
    }, 60_000);

    it("says why a run has failed, and opens the editor with what would mend it, to be saved by the person", async () => {
      const { page, context, faults } = await harness.open(`/runs/${demo.broken}`);
      await page.getByRole("button", { name: "Diagnose" }).click();
      const card = page.locator("article", { hasText: "regon" });
      await card.waitFor();
      await card
        .getByRole("region", { name: "Evidence" })
        .getByText(/Step greet · .*invalid_input/)
        .waitFor();
      await card.getByRole("button", { name: "Show the change" }).click();
      const change = page.locator("[data-diff]");
      await change.locator(".cm-content").first().waitFor();
      expect(await change.innerText()).toMatch(/regon:[\s\S]*region:/);
      const before = await harness.call("GET", "/api/v1/workflow-definitions/broken");
      await card.getByRole("button", { name: "Open in the editor with this change" }).click();
      await page.waitForURL(/\/workflows\/broken\/edit/);
      await page.getByText("Changed since version 1").waitFor();
      expect(await harness.call("GET", "/api/v1/workflow-definitions/broken")).toEqual(before);
      await page.getByRole("button", { name: "Publish", exact: true }).click();
      await page.getByText("version 2, published").waitFor();
      const { definition } = await harness.call("GET", "/api/v1/workflow-definitions/broken");
      expect(JSON.stringify(definition)).toMatch(/"region":\{"value":"north"\}/);
      const mended = await start("broken");
      await waitForEnd(harness.call, mended);
      expect(await harness.call("GET", `/api/v1/workflow-runs/${mended}`)).toMatchObject({
        status: "succeeded",
      });
      expect(faults).toEqual([]);
      await context.close();
    }, 90_000);
  },
);
