import { loadSettings } from "../src/config/load-settings.js";
import { runProcess } from "../src/lifecycle/run-process.js";
import { startApiProcess } from "../src/processes.js";
import { readOwnEnvironment } from "./bench-settings.js";

/** The API process of Headrace, as `headrace api` starts it. */
function reportError(error: unknown): void {
  process.stderr.write(
    `headrace api: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

process.exit(
  await runProcess({
    start: () => startApiProcess(loadSettings({ environment: readOwnEnvironment() })),
    closeLimitMs: 15_000,
    isSupervised: true,
    onFatal: reportError,
  }),
);
