import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { makeShop } from "../support/console-author-demo.js";
import { CONSOLE_PASSWORD, type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

describeWith(hasProgram("chromium"), "settings in the console", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    makeShop(join(harness.platform.settings.DATA_DIR, "shop.db"));
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("connects a database, tests it, shows its tables and answers a query", async () => {
    const { page, context, faults } = await harness.open("/settings/databases");
    await page.getByRole("button", { name: "New database" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Type").selectOption("sqlite");
    await dialog.getByLabel("Name", { exact: false }).fill("shop");
    await dialog.getByLabel("File", { exact: false }).fill("../shop.db");
    await dialog.getByRole("button", { name: "Save database" }).click();
    await dialog.getByText("/databaseName").first().waitFor();
    await dialog.getByLabel("File", { exact: false }).fill("shop.db");
    await dialog.getByRole("button", { name: "Save database" }).click();
    await page.getByRole("heading", { name: "shop" }).waitFor();
    await page.getByRole("button", { name: "Test connection" }).click();
    await page.getByText("Answers in").waitFor({ timeout: 20_000 });
    await page.getByText("orders", { exact: true }).click();
    await page.getByText("customer_id").waitFor();
    await page.getByRole("button", { name: "Query orders" }).click();
    await page.getByRole("button", { name: "Run query" }).click();
    const result = page.getByRole("region", { name: "Result" });
    await result.getByText("urgent").waitFor({ timeout: 20_000 });
    expect(await result.getByRole("row").count()).toBe(4);
    await page.locator("[data-editor='SQL'] .cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText("DELETE FROM orders");
    await page.getByRole("button", { name: "Run query" }).click();
    await page.getByRole("alert").waitFor();
    expect(faults).toEqual([]);
    await context.close();
  }, 120_000);

  it("stores a secret and never shows it again", async () => {
    const { page, context } = await harness.open("/settings/secrets");
    await page.getByRole("button", { name: "New secret" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: false }).fill("MILL_TOKEN");
    await dialog.getByLabel("Value", { exact: false }).fill("water-over-wheel");
    await dialog.getByRole("button", { name: "Store secret" }).click();
    await page.getByText("MILL_TOKEN", { exact: true }).waitFor();
    await page.reload();
    await page.getByRole("button", { name: "Replace MILL_TOKEN" }).click();
    expect(await page.getByRole("dialog").getByLabel("Value", { exact: false }).inputValue()).toBe("");
    expect(await page.content()).not.toContain("water-over-wheel");
    await context.close();
  }, 60_000);

  it("makes a person who can sign in, and an API key that works and is shown once", async () => {
    const { page, context } = await harness.open("/settings/users");
    await page.getByRole("button", { name: "New user" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: false }).fill("Grace");
    await dialog.getByLabel("E-mail", { exact: false }).fill("grace@example.com");
    await dialog.getByLabel("Role").selectOption("operator");
    await dialog.getByLabel("Password", { exact: false }).fill("short");
    await dialog.getByRole("button", { name: "Save user" }).click();
    await dialog.getByText("must have at least 8 characters").first().waitFor();
    await dialog.getByLabel("Password", { exact: false }).fill(CONSOLE_PASSWORD);
    await dialog.getByRole("button", { name: "Save user" }).click();
    await page.getByText("grace@example.com").waitFor();
    const signedIn = await harness.request("POST", "/api/v1/auth/login", {
      ...{ email: "grace@example.com", password: CONSOLE_PASSWORD },
    });
    expect(signedIn.status).toBe(200);

    await page.goto(`${harness.url}/settings/api-keys`);
    await page.getByRole("button", { name: "New API key" }).first().click();
    await page.getByRole("dialog").getByLabel("Name", { exact: false }).fill("robot");
    await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
    const key = (await page.getByRole("region", { name: "API key" }).innerText()).trim();
    await page.getByRole("button", { name: "I have copied it" }).click();
    const asked = await fetch(`${harness.url}/api/v1/auth/me`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    expect([asked.status, ((await asked.json()) as { role: string }).role]).toEqual([200, "viewer"]);
    expect(await page.content()).not.toContain(key);
    await context.close();
  }, 120_000);

  it("adds a provider and a budget", async () => {
    const { page, context } = await harness.open("/settings/models");
    await page.getByRole("button", { name: "New provider" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name", { exact: false }).fill("mill");
    await dialog.getByRole("button", { name: "Add a model" }).click();
    await dialog.getByLabel("Model", { exact: true }).fill("wheel-1");
    await dialog.getByLabel("Input", { exact: true }).fill("0.5");
    await dialog.getByRole("button", { name: "Save provider" }).click();
    await page.getByText("1 model", { exact: true }).waitFor();
    await page.getByRole("tab", { name: "Budgets" }).click();
    await page.getByRole("button", { name: "New budget" }).first().click();
    await page.getByRole("dialog").getByLabel("Name", { exact: false }).fill("thrift");
    await page.getByRole("dialog").getByRole("button", { name: "Save budget" }).click();
    await page.getByRole("dialog").getByText("or maxTokens is required").first().waitFor();
    await page.getByRole("dialog").getByLabel("Most cost").fill("12.5");
    await page.getByRole("dialog").getByRole("button", { name: "Save budget" }).click();
    await page.getByText("cost 12.5 a month").waitFor();
    await context.close();
  }, 60_000);

  it("narrows the audit log, verifies its chain and exports it", async () => {
    const { page, context } = await harness.open("/settings/audit");
    await page.getByLabel("Action").fill("secret.*");
    await page.getByText("MILL_TOKEN").first().waitFor();
    await page.getByText("user.create").first().waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Verify" }).click();
    await page.getByText(/The chain holds: \d+ entries/).waitFor();
    await page.getByRole("button", { name: "Export" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: /CSV/ }).click();
    expect((await download).url()).toContain("format=csv");
    await context.close();
  }, 60_000);

  it("shows the system and leads to the queues; changes the own password", async () => {
    const { page, context } = await harness.open("/settings/system", { as: "operator" });
    await page.getByText("process").first().waitFor();
    await page.getByRole("link", { name: "Queues (Bull Board)" }).click();
    await page.waitForURL("**/admin/queues**");
    await page.goto(`${harness.url}/settings/account`);
    await page.getByLabel("Present password", { exact: false }).fill("not it at all");
    await page.getByLabel("New password", { exact: false }).first().fill("another horse battery");
    await page.getByLabel("New password once more", { exact: false }).fill("another horse battery");
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Present password", { exact: false }).fill(CONSOLE_PASSWORD);
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("Your password is changed").waitFor();
    const signedIn = await harness.request("POST", "/api/v1/auth/login", {
      ...{ email: "operator@example.com", password: "another horse battery" },
    });
    expect(signedIn.status).toBe(200);
    await context.close();
  }, 60_000);
});
