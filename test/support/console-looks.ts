import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import type { Page } from "playwright-core";
import type { ConsoleHarness, ConsolePage } from "./console-harness.js";
import { findBarriers } from "./console-harness.js";
import { repository } from "./headrace-up.js";

/** A page of the console as it is to be looked at. */
export interface Look<Demo> {
  /** Of its pictures. */
  readonly name: string;
  path(demo: Demo): string;
  /** Shown once the page is there. */
  readonly text: string;
  /** For who is not signed in. */
  readonly isOpen?: boolean;
  readonly height?: number;
  /** What is done before it is looked at. */
  then?(page: Page): Promise<void>;
}

/** `npm run screenshots` keeps the pictures. */
const KEPT =
  process.env["HEADRACE_SCREENSHOTS"] === "keep" ? join(repository, "docs", "screenshots") : undefined;
const WIDTH = 1440;
const HEIGHT = 900;

/**
 * A test for each look: in both themes nothing that bars people's way, at three widths nothing that sticks out, and
 * nothing from another host. One sign-in and one window serve all of them, and a page is loaded once for both themes:
 * where things are does not depend on the theme, so that in the second only what has to do with colours is judged.
 */
export function lookAtAll<Demo>(
  looks: readonly Look<Demo>[],
  world: () => { readonly harness: ConsoleHarness; readonly demo: Demo },
): { close(): Promise<void> } {
  const windows = new Map<boolean, ConsolePage>();
  async function windowFor(isOpen: boolean): Promise<ConsolePage> {
    const known = windows.get(isOpen);
    if (known) return known;
    const opened = await world().harness.open("/sign-in", { as: isOpen ? null : "admin" });
    windows.set(isOpen, opened);
    return opened;
  }
  it.each(looks.map((look) => [look.name, look] as const))(
    "%s: no barrier, nothing cut off, nothing from elsewhere",
    async (_name, look) => {
      const { harness, demo } = world();
      const { page, faults } = await windowFor(look.isOpen ?? false);
      const faultsBefore = faults.length;
      const height = look.height ?? HEIGHT;
      await page.setViewportSize({ width: WIDTH, height });
      await page.emulateMedia({ colorScheme: "light" });
      await page.goto(harness.url + look.path(demo));
      await page.getByText(look.text).first().waitFor({ timeout: 20_000 });
      await look.then?.(page);
      await takePicture(page, `${look.name}-light`);
      expect(await findBarriers(page)).toEqual([]);
      await page.emulateMedia({ colorScheme: "dark" });
      await takePicture(page, `${look.name}-dark`);
      expect(await findBarriers(page, { onlyColours: true })).toEqual([]);
      for (const width of [WIDTH, 1024, 768]) {
        await page.setViewportSize({ width, height });
        const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        expect([width, await page.evaluate(overflow)]).toEqual([width, 0]);
      }
      expect(faults.slice(faultsBefore)).toEqual([]);
    },
    60_000,
  );
  return {
    async close() {
      for (const { context } of windows.values()) await context.close();
    },
  };
}

/** Lets the page come to rest, and keeps its picture when that is wanted. */
async function takePicture(page: Page, name: string): Promise<void> {
  await page.evaluate("document.fonts.ready.then(() => undefined)");
  // live pages are never idle: this is for charts and pictures
  await page.waitForTimeout(KEPT ? 500 : 120);
  if (!KEPT) return;
  mkdirSync(KEPT, { recursive: true });
  await page.screenshot({ path: join(KEPT, `${name}.png`) });
}
