import { afterAll, beforeAll } from "@jest/globals";
import { type Demo, fillWithDemo } from "../support/console-demo.js";
import { type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { addHistory } from "../support/console-history.js";
import { type Look, lookAtAll } from "../support/console-looks.js";
import { addRunDemo, type RunDemo, runRunDemo } from "../support/console-run-demo.js";
import { type LlmServer, startLlmServer } from "../support/llm-server.js";
import { jupyter } from "../support/notebooks.js";
import { hasProgram } from "../support/has-program.js";
import { describeWith } from "../support/requirements.js";

const NOTEBOOK: Look<Demo & RunDemo> = {
  name: "run-notebook",
  path: ({ notebook }) => `/runs/${notebook}?step=analyse&tab=notebook`,
  text: "week 8 read",
  height: 1300,
  async then(page) {
    await page.frameLocator("iframe").getByText("islands").waitFor();
  },
};

const LOOKS: readonly Look<Demo & RunDemo>[] = [
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
  {
    name: "run-diagnosis",
    path: ({ broken }) => `/runs/${broken}?view=diagnosis`,
    text: "Found by analysis",
    async then(page) {
      await page.getByRole("button", { name: "Show the change" }).click();
      await page.locator("[data-diff] .cm-content").first().waitFor();
    },
  },
  {
    name: "run-transcript",
    path: ({ prompt }) => `/runs/${prompt}?step=comment&tab=transcript`,
    text: "will grow",
  },
  {
    name: "run-previews",
    path: ({ files }) => `/runs/${files}?view=files&step=-`,
    text: "6-model.bin",
    height: 1000,
    async then(page) {
      await page.getByRole("button", { name: /6-model.bin/ }).click();
      await page.getByRole("button", { name: /2-totals.csv/ }).click();
      await page.getByText("best, so far").waitFor();
    },
  },
  ...(jupyter.isMet ? [NOTEBOOK] : []),
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
  let demo: Demo & RunDemo;
  let llm: LlmServer;
  beforeAll(async () => {
    llm = await startLlmServer();
    harness = await openConsoleHarness({ ALLOWED_HOSTS_PRIVATE: `127.0.0.1:${llm.port}` });
    await addRunDemo(harness.call, llm);
    const runs = await runRunDemo(harness.call, llm);
    demo = { ...runs, ...(await fillWithDemo(harness.call)) };
    await addHistory(harness.platform.knex);
  }, 240_000);
  afterAll(async () => {
    await windows.close();
    await harness?.close();
    await llm?.close();
  });

  const windows = lookAtAll(LOOKS, () => ({ harness, demo }));
});
