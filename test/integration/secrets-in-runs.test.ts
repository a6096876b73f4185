import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startWorker, type Worker } from "../../workers/worker.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

let api: WebhooksApi;
let worker: Worker;
let count = 0;
const VALUE = "s3cret-of-the-run-0123456789";

async function run(code: string): Promise<{ id: string; body: Record<string, unknown>; log: string }> {
  count += 1;
  const name = `secret-${count}`;
  const send = async (path: string, body: object) =>
    await api.request({ method: "POST", path: `/api/v1${path}`, body });
  const version = { version: "1.0.0", config: { type: "python_script", code }, secrets: ["RUN_TOKEN"] };
  expect((await send("/mcp-definitions", { name, mcpType: "python_script", version })).status).toBe(201);
  const steps = [{ id: "s", uses: `mcp:${name}` }];
  expect((await send("/workflow-definitions", { name, definition: { steps } })).status).toBe(201);
  const { body } = await send("/workflow-runs?wait=60", { workflow: name });
  const id = String(body["id"]);
  const { rows } = await api.platform.knex.raw("SELECT data::text AS text FROM run_events WHERE run_id = ?", [
    id,
  ]);
  return { id, body, log: (rows as { text: string }[]).map(({ text }) => text).join("\n") };
}

describe("secrets in runs", () => {
  beforeAll(async () => {
    api = await startWebhooksApi({});
    worker = await startWorker(api.platform, { groups: ["default"], concurrency: 2, version: "test" });
    const body = { value: VALUE };
    expect((await api.request({ method: "PUT", path: "/api/v1/secrets/RUN_TOKEN", body })).status).toBe(201);
  }, 120_000);
  afterAll(async () => {
    await worker.close(1_000);
    await api.close();
  });

  it("show no half of a secret that the 64 KiB of a line have cut", async () => {
    const { body, log } = await run(`
import os
def main():
    for at in (1, 8, 14, 20, 27):
        print("x" * (65536 - at) + os.environ["RUN_TOKEN"] + "|end")
    return 1
`);
    expect(body["status"]).toBe("succeeded");
    expect(log).toContain("|end");
    for (const half of [VALUE, VALUE.slice(0, 8), VALUE.slice(0, 14), VALUE.slice(8), VALUE.slice(20)])
      expect([half, log.includes(half)]).toEqual([half, false]);
  });

  it("show no rest of a secret where an error's message was shortened", async () => {
    const { body, log } = await run(`
import os
def main():
    raise ValueError("y" * (4000 - len("ValueError: ") - 12) + os.environ["RUN_TOKEN"])
`);
    expect(body["status"]).toBe("failed");
    const shown = JSON.stringify(body) + log;
    expect([shown.includes("yyyy"), shown.includes(VALUE.slice(0, 8))]).toEqual([true, false]);
  });

  it("K19 fail a step in words when their key is not at hand", async () => {
    await api.platform.knex("secrets").update({ key_id: "0123456789ab" });
    const { body } = await run("def main():\n    return 1\n");
    expect(body["status"]).toBe("failed");
    expect(JSON.stringify(body["error"])).toContain("Cannot decrypt secret:RUN_TOKEN");
  });
});
