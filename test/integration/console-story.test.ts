import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { CONSOLE_PASSWORD, type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";
import { writeInEditor } from "../support/write-in-editor.js";

const BROKEN =
  'def main(name):\n    print("asking for the price")\n    raise ValueError("the price list is empty")\n';
const MENDED = 'def main(name):\n    print("asking for the price")\n    return {"price": 12, "for": name}\n';

const statusOf = (page: Page, status: string) =>
  page.locator("h1").locator("xpath=..").getByText(status).waitFor({ timeout: 40_000 });

describeWith(hasProgram("chromium"), "the whole story in the console", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("signs in, builds, runs, breaks, mends, reruns, approves, schedules, and looks at the queues", async () => {
    const { page, context, faults } = await harness.open("/mcps", { as: null });
    await page.getByLabel("E-mail").fill("admin@example.com");
    await page.getByLabel("Password").fill(CONSOLE_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();

    // a script, which will turn out to be broken
    await page.getByRole("button", { name: "New component" }).first().click();
    await writeInEditor(page, "Code", BROKEN);
    await page.getByLabel("Name", { exact: false }).first().fill("price");
    await page.getByRole("button", { name: "Save and close" }).click();
    await page.waitForURL("**/mcps/price**");

    // a workflow on the canvas: the script, then an approval
    await page.goto(`${harness.url}/create/workflow`);
    await page.getByLabel("Name of the workflow").fill("quote");
    await page.getByRole("button", { name: "price", exact: true }).click();
    await page.locator("[data-step='price']").click();
    await page.getByLabel("Where name comes from").selectOption("value");
    await page.getByLabel("Constant for name").fill("Ada");
    await page.getByRole("button", { name: "Approval", exact: true }).click();
    await page.locator("[data-step='approval']").waitFor();
    await page.getByLabel("Where message comes from").selectOption("value");
    await page.getByLabel("Constant for message").fill("Send the quote?");
    await page.locator("[data-fault-count='0']").waitFor();

    // run, and watched live to its failure
    await page.getByRole("button", { name: "Publish and run" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Start run" }).click();
    await page.waitForURL(/\/runs\/[0-9a-f-]{36}/, { timeout: 20_000 });
    await statusOf(page, "Failed");
    await page.getByText("the price list is empty").first().waitFor();
    await page.getByRole("tab", { name: "Logs" }).first().click();
    await page.getByRole("log").getByText("asking for the price").waitFor();
    const failed = page.url();

    // mended: a next version of the script, and of the workflow
    await page.goto(`${harness.url}/mcps/price`);
    await page.getByRole("button", { name: "New version" }).click();
    await writeInEditor(page, "Code", MENDED);
    await page.getByRole("button", { name: "Save and close" }).click();
    await page.waitForURL("**/mcps/price?version=1.0.1**");
    await page.goto(`${harness.url}/workflows/quote/edit`);
    await page.locator("[data-step='price']").click();
    await page.getByLabel("Uses", { exact: false }).fill("mcp:price@1.0.1");
    await page.locator("[data-fault-count='0']").waitFor();
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    await page.getByText("version 2, published").waitFor();

    // rerun from the failed step with it, and approved
    await page.goto(failed);
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Rerun from failed with version 2" }).click();
    await page.waitForURL((url) => url.href.split("?")[0] !== failed.split("?")[0]);
    await page.getByText("Send the quote?").waitFor({ timeout: 40_000 });
    await page.getByRole("button", { name: "Approve" }).click();
    await statusOf(page, "Succeeded");

    // scheduled, and the queues looked at behind the same sign-in
    await page.goto(`${harness.url}/workflows/quote?tab=schedules`);
    await page.getByRole("button", { name: "New schedule" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: false }).fill("every-dawn");
    await dialog.getByLabel("Cron", { exact: true }).fill("0 5 * * *");
    await dialog.getByRole("button", { name: "Save schedule" }).click();
    await page.getByRole("button", { name: "Pause every-dawn" }).waitFor();
    expect(faults).toEqual([]);
    const board = await page.goto(`${harness.url}/admin/queues`);
    expect(board?.status()).toBe(200);
    await page.getByText("steps-default").first().waitFor();
    await context.close();
  }, 300_000);
});
