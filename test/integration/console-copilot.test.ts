import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

describeWith(hasProgram("chromium"), "the copilot and lineages in the console", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    const code = "def main(n=1):\n    return {'n': n}\n";
    const version = { version: "1.0.0", config: { type: "python_script", code } };
    await harness.call("POST", "/api/v1/mcp-definitions", {
      name: "count",
      mcpType: "python_script",
      version,
    });
    const steps = ["load", "send"].map((id, at) => ({
      ...{ id, uses: "mcp:count@1.0.0", inputs: { n: { value: at } } },
      ...(at > 0 ? { dependsOn: ["load"] } : {}),
    }));
    await harness.call("POST", "/api/v1/workflow-definitions", { name: "shop", definition: { steps } });
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("shows what a suggestion changes, and changes it by a click alone", async () => {
    const { page, context, faults } = await harness.open("/workflows/shop/edit?view=both");
    const yaml = page.locator("[data-editor='Definition (YAML)'] .cm-content");
    await yaml.waitFor();
    await page.getByRole("tab", { name: "Copilot" }).click();
    await page.getByRole("button", { name: "Look over this workflow" }).click();
    const card = page
      .locator("article", { hasText: "send" })
      .filter({ hasText: /wait|sequence|order/i })
      .first();
    await card.waitFor({ timeout: 20_000 });
    await page.getByText("By analysis alone.").waitFor();
    await card.getByRole("button", { name: "Show the change" }).click();
    expect(await yaml.innerText()).toContain("dependsOn");
    await card.getByRole("button", { name: "Apply this change" }).click();
    await card.getByText("Applied").waitFor();
    expect(await yaml.innerText()).not.toContain("dependsOn");
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);

  it("draws what uses a component, and leads there", async () => {
    const { page, context, faults } = await harness.open("/mcps/count?tab=lineage");
    await page.locator(".react-flow__node", { hasText: "shop" }).first().waitFor({ timeout: 20_000 });
    await page.getByRole("tab", { name: /Used by/ }).click();
    await page.getByRole("link", { name: "shop" }).first().click();
    await page.waitForURL(/\/workflows\/shop/);
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);
});
