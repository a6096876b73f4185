import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";

/** Starts the machine's Chromium: see `hasProgram("chromium")`. It asks nobody on the internet for anything. */
export async function openBrowser(): Promise<Browser> {
  const folders = (process.env["PATH"] ?? "").split(":");
  const executablePath = folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path));
  return await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
