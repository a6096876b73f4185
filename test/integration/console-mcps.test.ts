import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";
import { editorOf, writeInEditor } from "../support/write-in-editor.js";

const panelOf = (page: Page, title: string) =>
  page.locator("section").filter({ has: page.getByRole("heading", { name: title, exact: true }) });

describeWith(hasProgram("chromium"), "components in the console", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("takes a script from its first line to a run in place, then a next version and what has changed", async () => {
    const { page, context, faults } = await harness.open("/mcps");
    await page.getByRole("button", { name: "New component" }).first().click();
    await writeInEditor(
      page,
      "Code",
      'def main(name):\n    print("hello", name)\n    return {"greeting": f"Hi {name}"}\n',
    );
    await page.getByRole("button", { name: "Save and test" }).click();
    // no name yet: the fault stands at its field, and the field says that it is wrong
    await page.getByText("must match", { exact: false }).first().waitFor();
    expect(await page.getByLabel("Name", { exact: false }).first().getAttribute("aria-invalid")).toBe("true");
    await page.getByLabel("Name", { exact: false }).first().fill("greet");
    await page.getByRole("button", { name: "Save and test" }).click();
    await page.getByText("greet@1.0.0 is saved").waitFor({ timeout: 60_000 });
    await panelOf(page, "Test").getByRole("textbox", { name: "name" }).fill("Ada");
    await page.getByRole("button", { name: "Run test" }).click();
    await page.locator("[data-test-status='succeeded']").waitFor({ timeout: 60_000 });
    expect(await page.getByRole("log").innerText()).toContain("hello Ada");
    await page.getByText("Hi Ada").waitFor();

    await writeInEditor(page, "Code", 'def main(name):\n    return {"greeting": f"Hello {name}"}\n');
    await page.getByRole("button", { name: "Save and close" }).click();
    await page.waitForURL("**/mcps/greet?version=1.0.1");
    await page.getByRole("tab", { name: "Compare" }).click();
    const diff = page.locator("[data-diff='Code']");
    await diff.getByText("Hello", { exact: true }).waitFor();
    expect(await diff.innerText()).toContain("Hi");
    const { body } = await harness.request("GET", "/api/v1/mcp-definitions/greet/versions");
    expect((body["items"] as unknown as { version: string }[]).map(({ version }) => version)).toEqual([
      "1.0.1",
      "1.0.0",
    ]);
    expect(faults).toEqual([]);
    await context.close();
  }, 180_000);

  it("shows the error of a script that fails", async () => {
    await harness.call("POST", "/api/v1/mcp-definitions", {
      ...{ name: "breaks", mcpType: "python_script" },
      version: {
        version: "1.0.0",
        config: { type: "python_script", code: "def main():\n    raise ValueError('the mill stands')\n" },
      },
    });
    const { page, context } = await harness.open("/mcps/breaks");
    await page.getByRole("button", { name: "Run test" }).click();
    await page.locator("[data-test-status='failed']").waitFor({ timeout: 60_000 });
    expect(await page.locator("[data-test-status]").innerText()).toMatch(
      /script_error[\s\S]*the mill stands/,
    );
    await context.close();
  }, 120_000);

  it("narrows the list by type, tag and words, and keeps that in the address", async () => {
    const add = async (name: string, mcpType: string, config: object) =>
      await harness.call("POST", "/api/v1/mcp-definitions", {
        ...{ name, mcpType, tags: ["water"], description: `about ${name}` },
        version: { version: "1.0.0", config: { type: mcpType, ...config } },
      });
    await add("sluice", "python_script", { code: "def main(): pass" });
    await add("weir", "llm_prompt", { model: "m", userPromptTemplate: "x" });
    const { page, context } = await harness.open("/mcps");
    await page.getByRole("button", { name: "water" }).first().click();
    await page.waitForURL("**/mcps?tag=water");
    await page.getByLabel("Type").selectOption("llm_prompt");
    await page.getByRole("link", { name: "weir" }).waitFor();
    await page.getByRole("link", { name: "sluice" }).waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("link", { name: "weir" }).waitFor();
    expect(await page.getByRole("link", { name: "sluice" }).count()).toBe(0);
    await context.close();
  }, 60_000);

  it("moves, adds and deletes the cells of a notebook, and fills a prompt while it is written", async () => {
    const { page, context } = await harness.open("/create/component?type=jupyter_notebook");
    await editorOf(page, "Cell 3").waitFor();
    await page.getByRole("button", { name: "Move cell 3 up" }).click();
    await page.getByRole("button", { name: "Add a cell after 1" }).click();
    await writeInEditor(page, "Cell 2", "added = 1");
    await page.getByRole("button", { name: "Delete cell 4" }).click();
    await page.getByLabel("Name", { exact: false }).first().fill("cells");
    await page.getByRole("button", { name: "Save and test" }).click();
    await page.getByRole("button", { name: "Run test" }).waitFor();
    const { body } = await harness.request("GET", "/api/v1/mcp-definitions/cells/versions");
    const [version] = body["items"] as unknown as { config: { cells: { source: string }[] } }[];
    expect(version?.config.cells.map(({ source }) => source.split("\n")[0])).toEqual([
      "# Greeting",
      "added = 1",
      'outputs = {"greeting": f"Hello, {name}!"}',
    ]);
    await context.close();

    const prompt = await harness.open("/create/component?type=llm_prompt");
    const preview = panelOf(prompt.page, "Preview");
    await preview.getByRole("textbox", { name: "text" }).fill("so");
    await writeInEditor(prompt.page, "Prompt", "Say {{ text | upcase }} and {{ other }}");
    await preview.getByText("undefined variable: other").waitFor();
    await preview.getByText("The input schema does not have other.").waitFor();
    await writeInEditor(prompt.page, "Prompt", "Say {{ text | upcase }}");
    await prompt.page
      .getByRole("region", { name: "Prompt with the sample inputs" })
      .getByText("Say SO")
      .waitFor();
    await prompt.context.close();
  }, 120_000);

  it("lets a viewer look and says why not more", async () => {
    const { page, context } = await harness.open("/mcps/sluice", { as: "viewer" });
    await editorOf(page, "Code").waitFor();
    const button = page.getByRole("button", { name: /New version/ });
    expect(await button.getAttribute("aria-disabled")).toBe("true");
    expect(await button.getAttribute("title")).toContain("viewer");
    await context.close();
  }, 60_000);
});
