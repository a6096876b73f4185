import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LlmProvider, LlmSpending, PlannedCall } from "../../src/executors/llm/llm-ports.js";
import { createLlmPromptExecutor } from "../../src/executors/llm/llm-prompt.js";
import { ExecutionError, type Executor } from "../../src/executors/types.js";
import { createSafeEvaluator } from "../../src/services/expressions/safe-evaluator.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { type LlmServer, TEST_KEY } from "./llm-server.js";

/** The executor of prompts with a provider at a test's server, and a ledger that remembers. */
export interface OpenedLlm {
  readonly executor: Executor;
  readonly worker: WorkerSandbox;
  readonly planned: PlannedCall[];
  readonly settled: (LlmSpending | "canceled")[];
  /** Where the provider is; undefined: at the server. */
  moveProvider(baseUrl: string | undefined): void;
  close(): Promise<void>;
}

/** Opens it; a silence of 400 ms is a stall unless `stallMs` says otherwise. */
export async function openLlmExecutor(server: LlmServer, stallMs = 400): Promise<OpenedLlm> {
  const workRoot = mkdtempSync(join(tmpdir(), "headrace-llm-"));
  const worker = await createSandbox({
    requested: "process",
    workRoot,
    isProduction: false,
    warn: () => undefined,
  });
  const evaluator = createSafeEvaluator();
  const planned: PlannedCall[] = [];
  const settled: (LlmSpending | "canceled")[] = [];
  let baseUrl: string | undefined;
  async function findProvider(name: string | undefined): Promise<LlmProvider> {
    if (name === "nobody") throw new ExecutionError("invalid_input", `There is no LLM provider "nobody"`);
    return {
      name: "test",
      baseUrl: baseUrl ?? server.baseUrl,
      apiKey: TEST_KEY,
      headers: { "x-team": "headrace" },
      models: [{ name: "test-model", inputPricePerMillion: 2, outputPricePerMillion: 10 }],
    };
  }
  const executor = createLlmPromptExecutor({
    allowedPrivateHosts: [`127.0.0.1:${server.port}`],
    retryRules: { maxTries: 3, firstDelayMs: 20, maxDelayMs: 100 },
    stallMs,
    ports: {
      findProvider,
      validate: async (schema, value) => await evaluator.validate(schema, value),
      renderTemplate: async (template, variables) =>
        await evaluator.renderTemplate(template, variables).then(
          (text) => ({ text }),
          (error: Error) => ({ fault: error.message }),
        ),
      ledger: {
        async reserve(call) {
          planned.push(call);
          return {
            settle: async (spent) => void settled.push(spent),
            cancel: async () => void settled.push("canceled"),
          };
        },
      },
    },
  });
  return {
    executor: executor as Executor,
    worker,
    planned,
    settled,
    moveProvider: (to) => {
      baseUrl = to;
    },
    async close() {
      await executor.close?.();
      await worker.sandbox.close();
      await evaluator.close();
      rmSync(workRoot, { recursive: true, force: true });
    },
  };
}
