import { afterAll, expect } from "@jest/globals";

const LEAKS = new Set(["ProcessWrap", "TCPServerWrap", "Worker", "MessagePort"]);

/** Fails a test file that leaves a child process, a server or a worker thread running. */
afterAll(async () => {
  const deadline = Date.now() + 3000;
  let left = leftRunning();
  while (left.length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    left = leftRunning();
  }
  expect(left).toEqual([]);
});

function leftRunning(): string[] {
  return process.getActiveResourcesInfo().filter((name) => LEAKS.has(name));
}
