import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { type Api, startApi } from "../../src/api.js";
import type { Platform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import { type Role, ROLES } from "../../src/core/permissions.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { startWorker } from "../../workers/worker.js";
import { sendRequest, type TestResponse } from "./http-client.js";
import { openBrowser } from "./open-browser.js";
import { openTestPlatform } from "./open-test-platform.js";

/** The password of everybody here. */
export const CONSOLE_PASSWORD = "correct horse battery";

/** A page of the console, and what must not happen on it. */
export interface ConsolePage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Breaches of the Content-Security-Policy, errors that nobody caught, requests to other hosts. */
  readonly faults: readonly string[];
}

/** How a page is opened. */
export interface PageOptions {
  /** Who is signed in; null: nobody. Default: `admin`. */
  readonly as?: Role | null;
  readonly theme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
}

/** The console on a real API, with a real worker and a real browser. */
export interface ConsoleHarness {
  readonly platform: Platform;
  readonly api: Api;
  readonly url: string;
  readonly browser: Browser;
  /** Opens a path of the console in a browser of its own. */
  open(path: string, options?: PageOptions): Promise<ConsolePage>;
  /** Asks the API as a role (default: `admin`). */
  request(method: string, path: string, body?: unknown, as?: Role): Promise<TestResponse>;
  /** The same, answering the body. @throws Error on any answer but success */
  call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Starts everything, with further settings. One of each role exists: `viewer@example.com` and so on. */
export async function openConsoleHarness(
  environment: Readonly<Record<string, string>> = {},
): Promise<ConsoleHarness> {
  const { platform, close } = await openTestPlatform(environment);
  const api = await startApi(platform);
  const worker = await startWorker(platform, { groups: ["default"], concurrency: 4, version: "test" });
  const browser = await openBrowser();
  const tokens = await addPeople(platform);
  const { port, origin: url } = new URL(api.address);
  const request: ConsoleHarness["request"] = async (method, path, body, as = "admin") =>
    await sendRequest(Number(port), {
      method,
      path,
      token: tokens[as],
      ...(body === undefined ? {} : { body }),
    });
  return {
    ...{ platform, api, url, browser, request },
    async call(method, path, body) {
      const answer = await request(method, path, body);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.body as Record<string, unknown>;
    },
    async open(path, options = {}) {
      const opened = await openPage(browser, url, options);
      const { as = "admin" } = options;
      if (as !== null) await signIn(opened.context, url, as);
      await opened.page.goto(url + path);
      return opened;
    },
    async close() {
      await browser.close();
      await worker.close(0);
      await api.close();
      await close();
    },
  };
}

async function addPeople({ knex, audit, keys }: Platform): Promise<Record<Role, string>> {
  const auth = createAuthServices({ knex, audit, keys });
  const password_hash = await auth.passwords.hash(CONSOLE_PASSWORD);
  const tokens = {} as Record<Role, string>;
  for (const role of ROLES) {
    const id = newId();
    const name = `Ada ${role}`;
    await knex("users").insert({ id, email: `${role}@example.com`, name, role, password_hash });
    const { sessionId } = await openSession(knex, id, null);
    tokens[role] = auth.accessTokens.issue({ userId: id, sessionId }).accessToken;
  }
  return tokens;
}

async function openPage(browser: Browser, url: string, options: PageOptions): Promise<ConsolePage> {
  const { theme = "light", width = 1440, height = 900 } = options;
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: { width, height },
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(`policy: ${message.text()}`);
  });
  page.on("request", (request) => {
    const target = request.url();
    if (/^https?:/.test(target) && new URL(target).origin !== url) faults.push(`foreign: ${target}`);
  });
  return { page, context, faults };
}

/** Signs in as the sign-in page does; cookies go into the context. */
async function signIn(context: BrowserContext, url: string, role: Role): Promise<void> {
  const answer = await context.request.post(`${url}/api/v1/auth/login`, {
    data: { email: `${role}@example.com`, password: CONSOLE_PASSWORD },
  });
  if (!answer.ok()) throw new Error(`sign-in: ${answer.status()} ${await answer.text()}`);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly impact: string | null;
    readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
  }[];
}

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** Axe's rules that look at colours. */
const COLOURS = ["color-contrast", "link-in-text-block"];

/**
 * What axe finds on a page that is serious or critical, by WCAG 2.2 AA. Runs outside of the page's own policy.
 * @param onlyColours of a page that was judged in another theme already
 */
export async function findBarriers(page: Page, { onlyColours = false } = {}): Promise<string[]> {
  await page.evaluate(`if (!("axe" in window)) ${AXE}`);
  const options = { runOnly: onlyColours ? COLOURS : TAGS, resultTypes: ["violations"] };
  const { violations } = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as AxeResult;
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) =>
      nodes.map(
        ({ target, failureSummary }) =>
          `${id}: ${target.join(" ")} – ${failureSummary?.split("\n")[1]?.trim()}`,
      ),
    );
}
