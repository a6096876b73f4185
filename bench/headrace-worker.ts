import { loadSettings } from "../src/config/load-settings.js";
import { runProcess } from "../src/lifecycle/run-process.js";
import { startWorkerProcess } from "../src/processes.js";
import { readOwnEnvironment } from "./bench-settings.js";

/** The worker process of Headrace, as `headrace worker` starts it; a program of its own so that it can be profiled. */
function reportError(error: unknown): void {
  process.stderr.write(
    `headrace worker: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

process.exit(
  await runProcess({
    start: () => startWorkerProcess(loadSettings({ environment: readOwnEnvironment() })),
    closeLimitMs: 15_000,
    isSupervised: true,
    onFatal: reportError,
  }),
);
