import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import { type AuthorDemo, fillForAuthors, makeShop } from "../support/console-author-demo.js";
import { fillWithDemo } from "../support/console-demo.js";
import { type ConsoleHarness, findBarriers, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { repository } from "../support/headrace-up.js";
import { describeWith } from "../support/requirements.js";

const KEPT =
  process.env["HEADRACE_SCREENSHOTS"] === "keep" ? join(repository, "docs", "screenshots") : undefined;

interface Look {
  readonly name: string;
  path(demo: AuthorDemo): string;
  /** Shown once the page is there. */
  readonly text: string;
  readonly height?: number;
  then?(page: Page): Promise<void>;
}

const editorOf = (page: Page, label: string) => page.locator(`[data-editor="${label}"] .cm-content`);

const LOOKS: readonly Look[] = [
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
    if (KEPT) mkdirSync(KEPT, { recursive: true });
  }, 240_000);
  afterAll(async () => {
    await harness?.close();
  });

  for (const theme of ["light", "dark"] as const) {
    it.each(LOOKS.map((look) => [look.name, look] as const))(
      `%s, ${theme}: no barrier, nothing cut off, nothing from elsewhere`,
      async (name, look) => {
        const { page, context, faults } = await harness.open(look.path(demo), {
          theme,
          ...(look.height ? { height: look.height } : {}),
        });
        await page.getByText(look.text).first().waitFor({ timeout: 20_000 });
        await look.then?.(page);
        await page.waitForTimeout(500);
        if (KEPT) await page.screenshot({ path: join(KEPT, `${name}-${theme}.png`) });
        expect(await findBarriers(page)).toEqual([]);
        for (const width of [1440, 1024, 768]) {
          await page.setViewportSize({ width, height: look.height ?? 900 });
          const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
          expect([width, await page.evaluate(overflow)]).toEqual([width, 0]);
        }
        expect(faults).toEqual([]);
        await context.close();
      },
      60_000,
    );
  }
});
