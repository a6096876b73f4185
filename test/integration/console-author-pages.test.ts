import { join } from "node:path";
import { afterAll, beforeAll } from "@jest/globals";
import { type AuthorDemo, fillForAuthors, makeShop } from "../support/console-author-demo.js";
import { fillWithDemo } from "../support/console-demo.js";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { type Look, lookAtAll } from "../support/console-looks.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";
import { editorOf } from "../support/write-in-editor.js";

const LOOKS: readonly Look<AuthorDemo>[] = [
  { name: "components", path: () => "/mcps", text: "enrich-orders" },
  { name: "components-empty", path: () => "/mcps?q=nothing-like-it", text: "No component fits", height: 600 },
  {
    name: "component",
    path: () => "/mcps/enrich-orders",
    text: "About this version",
    height: 1100,
    async then(page) {
      await editorOf(page, "Code").waitFor();
    },
  },
  {
    name: "component-compare",
    path: () => "/mcps/enrich-orders?tab=compare",
    text: "Code",
    async then(page) {
      await page.locator("[data-diff='Code'] .cm-content").waitFor();
    },
  },
  {
    name: "component-new",
    path: () => "/create/component",
    text: "Jupyter notebook",
    height: 1300,
    async then(page) {
      await editorOf(page, "Code").waitFor();
    },
  },
  {
    name: "component-notebook",
    path: () => "/mcps/forecast/edit",
    text: "goes on from 0.3.0",
    height: 1000,
    async then(page) {
      await editorOf(page, "Cell 3").waitFor();
    },
  },
  {
    name: "component-prompt",
    path: () => "/mcps/summarise/edit",
    text: "Preview",
    height: 1400,
    async then(page) {
      await page.getByText("Summarise in one sentence for a manager").waitFor();
    },
  },
  { name: "workflows", path: () => "/workflows", text: "daily-revenue" },
  {
    name: "workflow",
    path: () => "/workflows/daily-revenue",
    text: "Its runs",
    height: 1100,
    async then(page) {
      await page.locator("[data-step='by-region']").waitFor();
      await editorOf(page, "YAML").waitFor();
    },
  },
  {
    name: "workflow-editor",
    path: () => "/workflows/daily-revenue/edit",
    text: "Lay out",
    async then(page) {
      await page.locator("[data-step='by-region']").click();
      await page.locator("[data-step-panel='by-region']").waitFor();
    },
  },
  {
    name: "workflow-editor-yaml",
    path: () => "/workflows/daily-revenue/edit?view=both",
    text: "Lay out",
    async then(page) {
      await editorOf(page, "Definition (YAML)").waitFor();
      await page.locator("[data-step='read']").waitFor();
    },
  },
  { name: "workflow-new", path: () => "/create/workflow", text: "No step yet" },
  {
    name: "workflow-run",
    path: () => "/workflows/daily-revenue?run=1",
    text: "Start run",
  },
  { name: "workflow-schedules", path: () => "/workflows/daily-revenue?tab=schedules", text: "every morning" },
  { name: "workflow-webhooks", path: () => "/workflows/daily-revenue?tab=webhooks", text: "Signed" },
  { name: "databases", path: () => "/settings/databases", text: "sqlite" },
  {
    name: "database",
    path: ({ databaseId }) => `/settings/databases/${databaseId}`,
    text: "customers",
    async then(page) {
      await page.getByText("customers").first().click();
      await page.getByRole("button", { name: "Query customers" }).click();
      await page.getByRole("button", { name: "Run query" }).click();
      await page.getByText("Mill & Sons").waitFor();
    },
  },
  { name: "secrets", path: () => "/settings/secrets", text: "SHOP_API_TOKEN" },
  { name: "models", path: () => "/settings/models", text: "openai" },
  { name: "api-keys", path: () => "/settings/api-keys", text: "ci pipeline" },
  { name: "users", path: () => "/settings/users", text: "operator@example.com" },
  {
    name: "audit",
    path: () => "/settings/audit",
    text: "session.create",
    async then(page) {
      await page.getByRole("button", { name: "Verify" }).click();
      await page.getByText("The chain holds").waitFor();
    },
  },
  { name: "system", path: () => "/settings/system", text: "For operators" },
  { name: "account", path: () => "/settings/account", text: "Change your password" },
];

describeWith(hasProgram("chromium"), "the console's pages for authors and admins", () => {
  let harness: ConsoleHarness;
  let demo: AuthorDemo;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    await fillWithDemo(harness.call);
    makeShop(join(harness.platform.settings.DATA_DIR, "shop.db"));
    demo = await fillForAuthors(harness.call, "shop.db");
  }, 240_000);
  afterAll(async () => {
    await windows.close();
    await harness?.close();
  });

  const windows = lookAtAll(LOOKS, () => ({ harness, demo }));
});
