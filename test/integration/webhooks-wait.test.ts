import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startWorker, type Worker } from "../../workers/worker.js";
import { describeWith } from "../support/requirements.js";
import { hasProgram } from "../support/has-program.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

const run = promisify(execFile);
let api: WebhooksApi;
let worker: Worker;

describe("webhooks over a worker", () => {
  beforeAll(async () => {
    api = await startWebhooksApi();
    worker = await startWorker(api.platform, { groups: ["default"], concurrency: 4, version: "test" });
  });
  afterAll(async () => {
    await worker.close(0);
    await api.close();
  });

  describe("mode wait", () => {
    it("answers with the output of the run that has ended, also to a repeat", async () => {
      const webhook = await api.addWebhook({ workflow: await api.addWorkflow(), mode: "wait" });
      const headers = { "x-headrace-delivery": "1" };
      const answer = await api.deliver(webhook["url"], { order: 42 }, headers);
      expect(answer).toMatchObject({
        status: 200,
        body: { accepted: true, status: "succeeded", output: { keep: { order: 42 } }, error: null },
      });
      expect(answer.headers["idempotency-replayed"]).toBeUndefined();
      const again = await api.deliver(webhook["url"], { order: 42 }, headers);
      expect(again.body).toEqual(answer.body);
      expect(again.headers["idempotency-replayed"]).toBe("true");
    });

    it("tells of a run that has failed", async () => {
      const inputs = { order: { expression: "$error('out of stock')" } };
      const steps = [{ id: "keep", uses: "builtin:noop", inputs }];
      const webhook = await api.addWebhook({ workflow: await api.addWorkflow({ steps }), mode: "wait" });
      const answer = await api.deliver(webhook["url"], {});
      expect(answer).toMatchObject({ status: 200, body: { status: "failed", error: { stepId: "keep" } } });
    });

    it("answers 202 when the time is over first", async () => {
      const steps = [{ id: "keep", uses: "builtin:noop", workerGroup: "nobody" }];
      const workflow = await api.addWorkflow({ steps });
      const webhook = await api.addWebhook({ workflow, mode: "wait", waitSeconds: 1 });
      const startedAt = Date.now();
      const answer = await api.deliver(webhook["url"], {});
      expect(answer.status).toBe(202);
      expect(Object.keys(answer.body)).toEqual(["accepted", "runId", "status"]);
      expect(answer.headers.location).toBe(`/api/v1/workflow-runs/${String(answer.body["runId"])}`);
      expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1000);
      expect(Date.now() - startedAt).toBeLessThan(5000);
    });
  });

  describe("the guide", () => {
    const guide = readFileSync(new URL("../../docs/guides/webhooks.md", import.meta.url), "utf8");
    const example = (language: string, word: string) =>
      [...guide.matchAll(/^```(\w+)\n(.*?)^```$/gms)].find(
        ([, marked, code]) => marked === language && code?.includes(word),
      )?.[2] ?? "";

    async function follow(command: string, args: readonly string[]): Promise<void> {
      const workflow = await api.addWorkflow({
        inputs: { type: "object", properties: { who: { const: "Ada" } }, required: ["who"] },
        steps: [{ id: "greet", uses: "builtin:noop", inputs: { who: { input: "/who" } } }],
      });
      const { url, secret, name } = await api.addWebhook({ workflow, generateSecret: true });
      const env = {
        PATH: process.env["PATH"],
        HOOK_URL: api.address + String(url),
        HOOK_SECRET: String(secret),
      };
      const { stdout } = await run(command, args, { env, timeout: 20_000 });
      const { runId } = JSON.parse(stdout) as { runId: string };
      const started = await api.platform
        .knex("workflow_runs")
        .where("created_by_name", `webhook ${String(name)}`);
      expect(started).toMatchObject([{ id: runId, trigger: "webhook", input: { who: "Ada" } }]);
    }

    describeWith(hasProgram("openssl"), "openssl", () => {
      describeWith(hasProgram("curl"), "curl", () => {
        it("signs by the shell", async () => await follow("sh", ["-ec", example("sh", "openssl")]));
      });
    });
    describeWith(hasProgram("python3"), "python3", () => {
      it("signs by Python", async () => await follow("python3", ["-c", example("python", "hmac")]));
    });
    it("signs by Node.js", async () => {
      await follow(process.execPath, ["--input-type=module", "-e", example("js", "createHmac")]);
    });
  });
});
