import { afterAll, beforeAll } from "@jest/globals";
import { type Demo, fillWithDemo } from "../support/console-demo.js";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { addHistory } from "../support/console-history.js";
import { type Look, lookAtAll } from "../support/console-looks.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

const LOOKS: readonly Look<Demo>[] = [
  { name: "sign-in", path: () => "/sign-in", text: "Sign in to Headrace", isOpen: true, height: 700 },
  { name: "home", path: () => "/", text: "PostgreSQL", height: 1260 },
  { name: "runs", path: () => "/runs", text: "warehouse-sync" },
  {
    name: "runs-selected",
    path: () => "/runs?status=succeeded",
    text: "daily-revenue",
    async then(page) {
      for (const index of [1, 2, 3]) await page.getByRole("checkbox").nth(index).check();
      await page.getByText("3 selected").waitFor();
    },
  },
  { name: "runs-empty", path: () => "/runs?workflow=no-such", text: "No run fits", height: 600 },
  { name: "run-timeline", path: ({ failed }) => `/runs/${failed}`, text: "Traceback" },
  {
    name: "run-graph",
    path: ({ succeeded }) => `/runs/${succeeded}?view=graph&step=read&tab=logs`,
    text: "reading",
  },
  { name: "run-approval", path: ({ waiting }) => `/runs/${waiting}`, text: "Publish them" },
  {
    name: "run-items",
    path: ({ items }) => `/runs/${items}?step=price&item=3&tab=data`,
    text: "sku-1003",
  },
  { name: "run-logs", path: ({ failed }) => `/runs/${failed}?view=logs&step=-`, text: "does not answer" },
  { name: "run-data", path: ({ succeeded }) => `/runs/${succeeded}?view=data&step=-`, text: "regions" },
  { name: "run-files", path: ({ succeeded }) => `/runs/${succeeded}?view=files&step=-`, text: "totals.csv" },
  {
    name: "run-compare",
    path: ({ succeeded }) => `/runs/${succeeded}?view=compare&step=-`,
    text: "Two runs side by side",
    async then(page) {
      await page.getByLabel("Compare with").selectOption({ index: 3 });
      await page.getByText("Differs in").or(page.getByText("No step differs")).waitFor();
    },
  },
  { name: "run-audit", path: ({ succeeded }) => `/runs/${succeeded}?view=audit&step=-`, text: "run.pin" },
  {
    name: "palette",
    path: () => "/runs",
    text: "warehouse-sync",
    async then(page) {
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: /Search pages/ }).fill("daily");
      await page.getByRole("option").first().waitFor();
    },
  },
  {
    name: "not-found",
    path: () => "/runs/0193d5a1-7b1c-7000-8000-0000000000ff",
    text: "no such run",
    height: 600,
  },
];

describeWith(hasProgram("chromium"), "the console's pages", () => {
  let harness: ConsoleHarness;
  let demo: Demo;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    demo = await fillWithDemo(harness.call);
    await addHistory(harness.platform.knex);
  }, 240_000);
  afterAll(async () => {
    await windows.close();
    await harness?.close();
  });

  const windows = lookAtAll(LOOKS, () => ({ harness, demo }));
});
