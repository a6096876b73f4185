import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { createBullBoardRouter } from "../../src/queues/bull-board.js";
import { openQueues, type QueueBackend } from "../../src/queues/queue-connections.js";
import { createLogger } from "../../src/observability/logger.js";
import { findFreePort } from "../support/find-free-port.js";
import { type OidcWorld, startOidcProvider } from "../support/oidc-world.js";
import { hasProgram } from "../support/has-program.js";
import { openBrowser } from "../support/open-browser.js";
import { describeWith } from "../support/requirements.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";
import { startTestServer, TEST_PASSWORD, type TestServer } from "../support/test-server.js";

const CALLBACK = "/api/v1/auth/oidc/callback";

describeWith(hasProgram("chromium"), "our pages in a browser", () => {
  let browser: Browser;
  let server: TestServer;
  let provider: OidcWorld;
  let database: TestDatabase;
  let queues: QueueBackend;

  beforeAll(async () => {
    const port = await findFreePort();
    provider = await startOidcProvider(`http://localhost:${port}${CALLBACK}`);
    database = await createTestDatabase();
    const logger = createLogger({ level: "silent", name: "test" });
    queues = await openQueues({ databaseUrl: database.url, prefix: database.prefix, logger });
    const board = createBullBoardRouter({ backend: queues, queueNames: ["runs"], basePath: "/admin/queues" });
    server = await startTestServer({
      port,
      bullBoard: board.router,
      environment: {
        OIDC_ISSUER: provider.issuer,
        OIDC_CLIENT_ID: "headrace",
        OIDC_CLIENT_SECRET: "a secret of the client",
        OIDC_DEFAULT_ROLE: "operator",
        OIDC_LABEL: "Example ID",
      },
    });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser.close();
    provider.stop();
    await server.close();
    await queues.close();
    await database.drop();
  });

  /** A page of its own, and what it was kept from or stumbled over. */
  async function open(path: string): Promise<{ page: Page; faults: string[] }> {
    const context = await browser.newContext();
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    // another site than the provider's 127.0.0.1, so that SameSite is put to the test
    await page.goto(`http://localhost:${server.port}${path}`);
    return { page, faults };
  }

  it("signs in through a provider on another site, and comes back to where the person wanted to go", async () => {
    await provider.set({
      subject: "ann",
      people: { ann: { email: "ann@example.com", email_verified: true, name: "Ann" } },
    });
    const { page, faults } = await open("/admin/queues");
    expect(page.url()).toContain("/sign-in?next=");
    const button = page.getByRole("link", { name: "Sign in with Example ID" });
    await button.waitFor();
    const folder = process.env["SCREENSHOTS"];
    if (folder) await page.screenshot({ path: `${folder}/sign-in.png` });
    await button.click();
    await page.waitForURL(`http://localhost:${server.port}/admin/queues*`);
    // the document itself came with the SameSite=Strict cookie
    await page.getByText("runs").first().waitFor();
    const cookies = await page.context().cookies(`http://localhost:${server.port}/api/v1/auth/refresh`);
    const strict = cookies.filter(({ name }) => /^headrace_(session|refresh)$/.test(name));
    expect(strict.map(({ httpOnly, sameSite }) => [httpOnly, sameSite])).toEqual([
      [true, "Strict"],
      [true, "Strict"],
    ]);
    // Bull Board asks for fonts of another server, and is kept from it: nothing else is in its way
    const blocked = faults.filter((fault) => /Content Security Policy|Refused/.test(fault));
    expect(blocked.filter((fault) => !fault.includes("https://fonts.googleapis.com/"))).toEqual([]);
  }, 90_000);

  it("says in plain words why it did not work", async () => {
    await provider.set({
      subject: "bob",
      people: { bob: { email: "bob@example.com", email_verified: false } },
    });
    const { page } = await open("/sign-in");
    await page.getByRole("link", { name: "Sign in with Example ID" }).click();
    await page.getByText("does not vouch for your e-mail address").waitFor();
    const folder = process.env["SCREENSHOTS"];
    if (folder) await page.screenshot({ path: `${folder}/sign-in-fault.png` });
  }, 90_000);

  it("signs in with a password, and shows the API's pages, with no breach of their policy", async () => {
    const { page, faults } = await open("/sign-in?next=%2Fdocs");
    await page.getByLabel("E-mail").fill("editor@example.com");
    await page.getByLabel("Password").fill(TEST_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`http://localhost:${server.port}/docs`);
    await page.getByText("/api/v1/auth/login").first().waitFor();
    expect(faults).toEqual([]);
  }, 90_000);
});
