import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

const yamlOf = async (page: Page) =>
  (await page.locator("[data-editor='Definition (YAML)'] .cm-content").innerText()).replace(/\u00a0/g, " ");
const step = (page: Page, id: string) => page.locator(`[data-step="${id}"]`);

/** Draws an edge from one step's right dot to another's left one. */
async function drag(page: Page, from: string, to: string): Promise<void> {
  const source = await step(page, from).locator(".react-flow__handle-right").boundingBox();
  const target = await step(page, to).locator(".react-flow__handle-left").boundingBox();
  if (!source || !target) throw new Error("a step has no dot");
  await page.mouse.move(source.x + source.width / 2, source.y + source.height / 2);
  await page.mouse.down();
  await page.mouse.move(target.x - 20, target.y + 5, { steps: 6 });
  await page.mouse.move(target.x + target.width / 2, target.y + target.height / 2, { steps: 6 });
  await page.mouse.up();
}

describeWith(hasProgram("chromium"), "workflows in the console", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    const script = (code: string, inputs: string[], outputs: string[]) => ({
      version: "1.0.0",
      config: { type: "python_script", code },
      inputSchema: schemaOf(inputs),
      outputSchema: schemaOf(outputs),
    });
    const schemaOf = (names: string[]) => ({
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, {}])),
      required: names,
    });
    const add = async (name: string, version: object) =>
      await harness.call("POST", "/api/v1/mcp-definitions", { name, mcpType: "python_script", version });
    await add("read", script("def main(day):\n    return {'rows': [day, day]}\n", ["day"], ["rows"]));
    await add("count", script("def main(rows):\n    return {'n': len(rows)}\n", ["rows"], ["n"]));
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("builds a workflow on the canvas, sees it in YAML, takes back, publishes and runs it", async () => {
    const { page, context, faults } = await harness.open("/create/workflow");
    await page.getByLabel("Name of the workflow").fill("drawn");
    await page.getByRole("button", { name: "read", exact: true }).click();
    await step(page, "read").waitFor();
    // a component with a required input that nothing gives: marked at the step and in its panel
    await page.locator("[data-fault-count='1'], [data-fault-count='2']").waitFor();
    await step(page, "read").locator("text=/^[12]$/").waitFor();
    await page.getByLabel("Where day comes from").selectOption("input");
    await page.getByLabel("Pointer into the run's input for day").fill("/day");
    await page.locator("[data-step='read']").click();
    await page.locator(".react-flow__pane").click({ position: { x: 20, y: 20 } });
    await page.getByRole("button", { name: "count", exact: true }).click();
    await step(page, "count").waitFor();
    await page.waitForTimeout(400);
    await drag(page, "read", "count");
    await page.getByRole("dialog").getByLabel("Input of count").selectOption("rows");
    await page.getByRole("dialog").getByLabel("Output of read").fill("/rows");
    await page.getByRole("dialog").getByRole("button", { name: "Connect" }).click();
    await page.locator("[data-fault-count='0']").waitFor();
    await page.getByRole("button", { name: "YAML", exact: true }).click();
    expect(await yamlOf(page)).toContain("rows: { step: read, output: /rows }");
    expect(await yamlOf(page)).toContain("# Steps run as soon as");
    await page.keyboard.press("Control+z");
    await page.waitForFunction("!document.querySelector('.cm-content').innerText.includes('step: read')");
    await page.keyboard.press("Control+Shift+z");
    await page.waitForFunction("document.querySelector('.cm-content').innerText.includes('step: read')");
    await page.getByRole("button", { name: "Publish and run" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Input (JSON)").fill('{ "day": "2026-01-01" }');
    await dialog.getByRole("button", { name: "Start run" }).click();
    await page.waitForURL(/\/runs\/[0-9a-f-]{36}/, { timeout: 20_000 });
    const id = new URL(page.url()).pathname.split("/").at(-1);
    await expectRun(id ?? "", { n: 2 });
    expect(faults).toEqual([]);
    await context.close();
  }, 180_000);

  async function expectRun(id: string, output: object): Promise<void> {
    let run = await harness.call("GET", `/api/v1/workflow-runs/${id}`);
    for (let tries = 0; tries < 120 && !run["finishedAt"]; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      run = await harness.call("GET", `/api/v1/workflow-runs/${id}`);
    }
    expect(run).toMatchObject({ status: "succeeded", output: { count: output } });
  }

  it("marks a fault of the YAML where it is, in the graph too, and the graph follows what is written", async () => {
    await harness.call("POST", "/api/v1/workflow-definitions", {
      name: "written",
      definition: { steps: [{ id: "one", uses: "builtin:noop" }] },
    });
    const { page, context } = await harness.open("/workflows/written/edit?view=both");
    await step(page, "one").waitFor();
    await page.locator("[data-editor='Definition (YAML)'] .cm-content").click();
    await page.keyboard.press("Control+End");
    await page.keyboard.insertText(
      "  # the second\n  - id: two\n    uses: builtin:no-such\n    dependsOn: [ one ]\n",
    );
    await step(page, "two").waitFor();
    await page.locator("[data-fault-count='1']").waitFor();
    await page.locator(".cm-lint-marker-error").waitFor();
    await page.locator("[data-step='two'][data-faults='true']").waitFor();
    await page.getByRole("tab", { name: /Faults/ }).click();
    await page.getByText("/steps/1/uses").click();
    await page.locator("[data-step-panel='two']").waitFor();
    await page.getByLabel("Uses", { exact: false }).fill("builtin:noop");
    await page.locator("[data-fault-count='0']").waitFor();
    expect(await yamlOf(page)).toContain("# the second");
    // renamed in the panel: what refers to it follows
    await step(page, "one").click();
    await page.getByLabel("Id", { exact: false }).first().fill("first");
    await page.keyboard.press("Enter");
    await step(page, "first").waitFor();
    expect(await yamlOf(page)).toContain("dependsOn: [ first ]");
    // deleted by keyboard: so does what waited for it
    await step(page, "first").click();
    await page.keyboard.press("Delete");
    await step(page, "first").waitFor({ state: "detached" });
    expect(await yamlOf(page)).not.toContain("dependsOn");
    await page.keyboard.press("Control+s");
    await page.getByText("Saved as a draft, version 2").waitFor();
    const workflow = await harness.call("GET", "/api/v1/workflow-definitions/written");
    expect(workflow).toMatchObject({ latestVersion: 2, publishedVersion: 1 });
    expect((workflow["definition"] as { steps: { id: string }[] }).steps.map(({ id }) => id)).toEqual([
      "two",
    ]);
    // the comments are this browser's, as long as the text still means the version
    await page.goto(`${harness.url}/workflows/written/edit?view=yaml`);
    await page.locator("[data-editor='Definition (YAML)'] .cm-content").waitFor();
    expect(await yamlOf(page)).toContain("# the second");
    await context.close();
  }, 120_000);

  it("publishes an older version again, and shows what has changed between two", async () => {
    const { page, context } = await harness.open("/workflows/written?tab=versions");
    await page.getByRole("button", { name: "Compare 2 with 1" }).click();
    await page.locator("[data-diff='From 1 to 2']").getByText("two").first().waitFor();
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText("Runs take version 2 now").waitFor();
    const workflow = await harness.call("GET", "/api/v1/workflow-definitions/written");
    expect(workflow["publishedVersion"]).toBe(2);
    await context.close();
  }, 60_000);

  it("makes a schedule, shows its next five firings, pauses it; opens a webhook and shows its token once", async () => {
    const { page, context } = await harness.open("/workflows/written?tab=schedules");
    await page.getByRole("button", { name: "New schedule" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: false }).fill("dawn");
    await dialog.getByLabel("Cron", { exact: true }).fill("61 * * * *");
    await dialog.getByRole("button", { name: "Save schedule" }).click();
    await dialog.getByText("/cron").first().waitFor();
    await dialog.getByLabel("Cron", { exact: true }).fill("0 5 * * *");
    await dialog.getByRole("button", { name: "Save schedule" }).click();
    await page.getByRole("button", { name: "Pause dawn" }).waitFor();
    await page.getByTitle("The next five").click();
    const firings = page.getByRole("dialog").getByRole("listitem");
    await firings.nth(4).waitFor();
    expect(await firings.count()).toBe(5);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Pause dawn" }).click();
    await page.getByRole("button", { name: "Resume dawn" }).waitFor();
    const schedules = await harness.call("GET", "/api/v1/schedules");
    expect((schedules["items"] as { enabled: boolean }[])[0]?.enabled).toBe(false);

    await page.getByRole("tab", { name: "Webhooks" }).click();
    await page.getByRole("button", { name: "New webhook" }).first().click();
    await page.getByRole("dialog").getByLabel("Name", { exact: false }).fill("from afar");
    await page.getByRole("dialog").getByLabel("Deliveries must be signed").uncheck();
    await page.getByRole("dialog").getByRole("button", { name: "Open webhook" }).click();
    const address = await page.getByRole("region", { name: "Address" }).innerText();
    expect(address).toMatch(/\/hooks\/hrw_/);
    await page.getByRole("button", { name: "I have copied it" }).click();
    const delivered = await fetch(address.trim(), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    expect(delivered.status).toBe(202);
    expect(await page.content()).not.toContain("hrw_");
    await context.close();
  }, 120_000);
});
