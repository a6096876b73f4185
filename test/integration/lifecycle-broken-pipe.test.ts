import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "@jest/globals";

const PROGRAM = fileURLToPath(new URL("../support/failing-process.mjs", import.meta.url));
const LIMIT_MS = 15_000;

/** Whoever read what a process writes is killed, its supervisor most often: there is nobody left to tell. */
describe("a process whose output nobody reads any more", () => {
  let child: ChildProcess | undefined;
  afterEach(() => void child?.kill("SIGKILL"));

  it("ends when something fails, and does not fail over and over because it cannot say so", async () => {
    child = spawn(process.execPath, [PROGRAM], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
    child.stdout?.destroy();
    child.stderr?.destroy();
    const [code] = (await once(child, "exit", { signal: AbortSignal.timeout(LIMIT_MS) })) as [number | null];
    expect(code).toBe(1);
  }, 30_000);
});
