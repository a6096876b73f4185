import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { CONSOLE_PASSWORD, type ConsoleHarness, openConsoleHarness } from "../support/console-harness.js";
import { hasProgram } from "../support/has-program.js";
import { sendRequest } from "../support/http-client.js";
import { describeWith } from "../support/requirements.js";

describeWith(hasProgram("chromium"), "the console's frame", () => {
  let harness: ConsoleHarness;
  beforeAll(async () => {
    harness = await openConsoleHarness();
    await harness.call("POST", "/api/v1/workflow-definitions", {
      name: "hello",
      definition: { steps: [{ id: "say", uses: "builtin:noop" }] },
    });
  }, 120_000);
  afterAll(async () => {
    await harness?.close();
  });

  it("asks for the password, says what is wrong, and leads to where one was going", async () => {
    const { page, faults, context } = await harness.open("/runs?status=failed", { as: null });
    await page.waitForURL(/\/sign-in\?next=/);
    await page.getByLabel("E-mail").fill("operator@example.com");
    await page.getByLabel("Password").fill("wrong password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("alert").innerText()).toMatch(/\S/);
    await page.getByLabel("Password").fill(CONSOLE_PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${harness.url}/runs?status=failed`);
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    await page.getByRole("button", { name: "Account of Ada operator" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.waitForURL(/\/sign-in$/);
    // what stays says that this browser is known here, and opens nothing
    const names = (await context.cookies()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("headrace_"))).toEqual(["headrace_device"]);
    expect(faults).toEqual([]);
    await context.close();
  }, 60_000);

  it.each(["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)"])(
    "does not leave this server after sign-in for %s",
    async (next) => {
      const { page, faults, context } = await harness.open(`/sign-in?next=${encodeURIComponent(next)}`, {
        as: null,
      });
      await page.getByLabel("E-mail").fill("viewer@example.com");
      await page.getByLabel("Password").fill(CONSOLE_PASSWORD);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("heading", { name: "Home" }).waitFor();
      expect(new URL(page.url()).origin).toBe(harness.url);
      expect(faults).toEqual([]);
      await context.close();
    },
    60_000,
  );

  it("refreshes a spent session without a word, and asks again when that is spent too", async () => {
    const { page, context } = await harness.open("/runs");
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    await context.clearCookies({ name: "headrace_session" });
    await page.getByRole("link", { name: "Home", exact: true }).click();
    await page.getByText("PostgreSQL").waitFor();
    expect((await context.cookies()).some(({ name }) => name === "headrace_session")).toBe(true);
    await context.clearCookies();
    await page.reload();
    await page.waitForURL(/\/sign-in/);
    await context.close();
  }, 60_000);

  it("is worked by keyboard alone: skip link, palette, shortcuts that can be turned off", async () => {
    const { page, context } = await harness.open("/");
    await page.getByText("PostgreSQL").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to content");
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.waitForURL(/\/runs$/);
    await page.getByRole("heading", { name: "Runs" }).waitFor();
    // who comes by keyboard starts at the page's heading
    expect(await page.evaluate("document.activeElement.tagName")).toBe("H1");
    await page.keyboard.press("/");
    expect(await page.evaluate("document.activeElement.type")).toBe("search");
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: /Search pages/ }).fill("hello");
    await page.getByRole("option", { name: "hello" }).first().waitFor();
    await page.getByRole("combobox", { name: /Search pages/ }).fill("dark");
    await page.getByRole("option", { name: "Dark theme" }).waitFor();
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.documentElement.dataset.theme")).toBe("dark");
    await page.locator("h1").focus();
    await page.keyboard.press("?");
    await page.getByLabel("Shortcuts of single letters").uncheck();
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.press("h");
    await page.waitForTimeout(300);
    expect(page.url()).toMatch(/\/runs/);
    await context.close();
  }, 60_000);

  it("shows what a role may not do, and why", async () => {
    const run = await harness.call("POST", "/api/v1/workflow-runs?wait=30", { workflow: "hello" });
    const { page, context } = await harness.open(`/runs/${String(run["id"])}`, { as: "viewer" });
    const rerun = page.getByRole("button", { name: /^Rerun/ });
    await rerun.waitFor();
    expect(await rerun.getAttribute("aria-disabled")).toBe("true");
    expect(await rerun.innerText()).toMatch(/viewer, does not allow this/);
    expect(await page.getByRole("tab", { name: "Audit" }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "Queues" }).count()).toBe(0);
    await context.close();
  }, 60_000);

  it("says in words, with the request's id, when the server fails, and goes on when it is back", async () => {
    const { page, context } = await harness.open("/", { as: "admin" });
    await page.getByText("PostgreSQL").waitFor();
    await page.route("**/api/v1/workflow-runs?*", async (route) => {
      const body = JSON.stringify({
        title: "Internal error",
        detail: "Something broke",
        requestId: "req-42",
      });
      await route.fulfill({ status: 500, contentType: "application/problem+json", body });
    });
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.getByText("Something broke").waitFor();
    await page.getByText("req-42").waitFor();
    await page.unroute("**/api/v1/workflow-runs?*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("link", { name: /hello/ }).first().waitFor();
    await context.close();
  }, 60_000);

  it("answers its own paths and no other, and caches what never changes", async () => {
    const port = Number(new URL(harness.url).port);
    const ask = async (path: string, encoding = "br") =>
      await sendRequest(port, { path, headers: { accept: "text/html", "accept-encoding": encoding } });
    for (const path of ["/", "/runs", "/runs/anything", "/sign-in"]) {
      const page = await ask(path);
      expect([path, page.status, page.headers["cache-control"]]).toEqual([path, 200, "no-cache"]);
      expect(page.headers["content-security-policy"]).toMatch(/script-src 'self' 'sha256-[^']+'; /);
      expect(page.headers["content-encoding"]).toBe("br");
    }
    for (const path of [
      "/runs/",
      "/runs/a/b/c",
      "/RUNS",
      "/api/v1/nope",
      "/hooks",
      "/docs/x",
      "/assets/",
      "/nope",
    ])
      expect([path, (await ask(path)).headers["content-type"]]).toEqual([
        path,
        expect.stringContaining("json"),
      ]);
    expect((await ask("/assets/../index.html")).status).toBe(404);
    const [, script] = /src="(\/assets\/index-[^"]+\.js)"/.exec((await ask("/", "identity")).text) ?? [];
    for (const encoding of ["br", "gzip", "identity"]) {
      const asset = await ask(script ?? "", encoding);
      expect(asset.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
      expect(asset.headers["content-encoding"]).toBe(encoding === "identity" ? undefined : encoding);
    }
  });

  it("loads at most 300 KB of compressed scripts before the first page is there", async () => {
    const { page, context } = await harness.open("/sign-in", { as: null });
    let bytes = 0;
    page.on("response", (response) => {
      if (response.url().endsWith(".js")) bytes += Number(response.headers()["content-length"] ?? 0);
    });
    await page.reload();
    await page.getByLabel("E-mail").fill("admin@example.com");
    await page.getByLabel("Password").fill(CONSOLE_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("PostgreSQL").waitFor();
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(300 * 1024);
    await context.close();
  }, 60_000);
});
