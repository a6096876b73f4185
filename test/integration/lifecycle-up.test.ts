import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "@jest/globals";
import { isProcessAlive } from "../../src/lifecycle/running-process.js";
import { findDescendants } from "../support/descendants.js";
import { headrace, makeDataDir, removeDataDir, startUp, stopUp } from "../support/headrace-up.js";
import { jupyter } from "../support/notebooks.js";
import { describeWith } from "../support/requirements.js";

const dataDir = makeDataDir();
const settings = { DATA_DIR: dataDir, PORT: "0", DRAIN_SECONDS: "5" };

afterAll(() => removeDataDir(dataDir));

async function until(what: string, isTrue: () => boolean, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not in ${limitMs} ms: ${what}`);
    await sleep(100);
  }
}

describe("headrace up", () => {
  it("starts again what dies, refuses a second start, and stops without leaving anything", async () => {
    const up = await startUp(settings);
    const pid = up.process.pid ?? 0;
    const all = findDescendants(pid);
    const worker = all.find((child) => / worker /.test(child.command));
    for (const role of ["api", "worker", "scheduler"]) {
      expect(all.some((child) => child.command.includes(` ${role} --supervised`))).toBe(true);
    }

    const second = await headrace(["up"], settings);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(
      new RegExp(`^Headrace is already running on .* \\(process ${pid},[^\\n]*\\n$`),
    );

    process.kill(worker?.pid ?? 0, "SIGKILL");
    const isBack = (): boolean =>
      findDescendants(pid).some((child) => / worker /.test(child.command) && child.pid !== worker?.pid);
    await until("a new worker", isBack, 15_000);

    const running = findDescendants(pid).map((child) => child.pid);
    const done = await stopUp(up);
    expect(done.code).toBe(0);
    expect(running.filter(isProcessAlive)).toEqual([]);
    expect(done.stderr).toContain("worker ended (signal SIGKILL)");
  });

  it("leaves nothing running when it is killed itself, and starts again after that", async () => {
    const up = await startUp(settings);
    const running = findDescendants(up.process.pid ?? 0).map((child) => child.pid);
    expect(running.length).toBeGreaterThan(3);
    up.process.kill("SIGKILL");
    await up.result;
    await until("all processes gone", () => running.filter(isProcessAlive).length === 0, 20_000);
    const again = await startUp(settings);
    expect((await stopUp(again)).code).toBe(0);
  });

  it("says in one line that its port is taken", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    try {
      const done = await headrace(["up"], { ...settings, PORT: String(port) });
      expect(done.code).toBe(1);
      expect(done.stderr).toBe(
        `Port ${port} on 127.0.0.1 is in use by another program. Set PORT to a free one, for example PORT=${port + 1}.\n`,
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("runs an example to its end and stops", async () => {
    const done = await headrace(["up", "--run", "examples/city-weather"], settings);
    expect(done.stderr).toBe("");
    expect(done.code).toBe(0);
    expect(done.stdout).toContain('"headline"');
    const saved = /^Artifact saved as (.*report\.html)$/m.exec(done.stdout)?.[1] ?? "";
    expect(readFileSync(join(saved), "utf8")).toContain("<svg");
  });

  describeWith(jupyter, "with a notebook", () => {
    it("runs the example of a report", async () => {
      const done = await headrace(["up", "--run", "examples/notebook-report"], settings);
      expect(done.stderr).toBe("");
      expect(done.code).toBe(0);
      expect(done.stdout).toContain('"warmest": "2020s"');
      const saved = /^Artifact saved as (.*decades\.html)$/m.exec(done.stdout)?.[1] ?? "";
      expect(readFileSync(join(saved), "utf8")).toContain("How fast does it get warmer?");
    });
  });
});
