import { expect } from "@jest/globals";
import { applyPatch, type Operation } from "rfc6902";
import type { CopilotAnswer, Suggestion } from "../../src/contracts/api/copilot.js";
import { newId } from "../../src/core/ids.js";
import type { RunPlan } from "../../src/core/plan.js";
import type { Role } from "../../src/core/permissions.js";
import { startWebhooksApi, type WebhooksApi } from "./webhooks-api.js";

/** What one step did in a recorded run. */
export interface RecordedStep {
  readonly status?: string;
  readonly ms?: number;
  readonly inputs?: unknown;
  readonly output?: unknown;
  readonly error?: { code: string; message: string; details?: unknown };
  readonly attempt?: number;
  readonly logs?: readonly string[];
  /** Items of a `forEach`. */
  readonly items?: number;
}

/** A stored workflow, for its runs. */
export interface StoredWorkflow {
  readonly id: string;
  readonly name: string;
  readonly versionId: string;
  readonly plan: RunPlan;
}

/** The whole API, and what tests of the copilot do with it. */
export interface CopilotWorld extends WebhooksApi {
  ask(call: string, body: object, as?: Role): Promise<CopilotAnswer>;
  addMcp(name: string, version?: object, mcpType?: string): Promise<string>;
  store(definition: object): Promise<StoredWorkflow>;
  /** Writes the rows that the engine leaves of ended runs; answers their ids, oldest first. */
  record(
    workflow: StoredWorkflow,
    runs: readonly Readonly<Record<string, RecordedStep>>[],
  ): Promise<string[]>;
}

/** Starts it on PostgreSQL alone. */
export async function startCopilotWorld(environment: Record<string, string> = {}): Promise<CopilotWorld> {
  const api = await startWebhooksApi({ COPILOT_CALLS_PER_MINUTE: "10000", ...environment });
  const { knex } = api.platform;
  const must = async (path: string, body: object) => {
    let answer = await api.request({ method: "POST", path, body });
    // a busy machine: the check of a schema had no time
    for (let tries = 0; tries < 5 && answer.text.includes("took too long"); tries += 1)
      answer = await api.request({ method: "POST", path, body });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  };
  return {
    ...api,
    async ask(call, body, as = "editor") {
      const answer = await api.request({ method: "POST", path: `/api/v1/copilot/${call}`, body, as });
      if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
      return answer.body as unknown as CopilotAnswer;
    },
    async addMcp(name, version = {}, mcpType = "python_script") {
      const config = { type: mcpType, code: "def main(**inputs):\n    return inputs\n" };
      await must("/api/v1/mcp-definitions", {
        name,
        mcpType,
        version: { version: "1.0.0", config, ...version },
      });
      return name;
    },
    async store(definition) {
      const name = `workflow-${newId().slice(-12)}`;
      const made = await must("/api/v1/workflow-definitions", { name, definition });
      const row = await knex("workflow_versions").first("id", "plan").where({
        workflow_definition_id: made["id"],
        version: 1,
      });
      return { id: String(made["id"]), name, versionId: row.id, plan: row.plan };
    },
    async record(workflow, runs) {
      const ids: string[] = [];
      for (const run of runs) ids.push(await recordRun(api, workflow, run));
      return ids;
    },
  };
}

async function recordRun(
  { platform: { knex } }: WebhooksApi,
  { id: workflowId, name, versionId, plan }: StoredWorkflow,
  steps: Readonly<Record<string, RecordedStep>>,
): Promise<string> {
  const id = newId();
  const failed = Object.values(steps).find((step) => step.status === "failed");
  const startedAt = new Date(Date.now() - 3_600_000);
  const total = Object.values(steps).reduce((sum, step) => sum + (step.ms ?? 10), 0);
  await knex("workflow_runs").insert({
    id,
    workflow_id: workflowId,
    workflow_version_id: versionId,
    workflow_name: name,
    workflow_version: 1,
    status: failed ? "failed" : "succeeded",
    trigger: "api",
    input: "{}",
    output: failed ? null : "{}",
    error: failed?.error ? JSON.stringify(failed.error) : null,
    created_by_name: "test",
    started_at: startedAt,
    finished_at: new Date(startedAt.getTime() + total),
    step_states: "s".repeat(plan.steps.length),
  });
  let seq = 0;
  for (const step of plan.steps) {
    const seen = steps[step.id] ?? { status: "skipped" };
    const isRun = seen.status !== "skipped";
    await knex("step_runs").insert({
      run_id: id,
      step_index: step.index,
      id: newId(),
      step_id: step.id,
      status: seen.status ?? "succeeded",
      attempt: seen.attempt ?? 1,
      worker_group: "default",
      inputs: JSON.stringify(seen.inputs ?? {}),
      output: seen.output === undefined ? null : JSON.stringify(seen.output),
      error: seen.error ? JSON.stringify(seen.error) : null,
      items_total: seen.items ?? null,
      started_at: isRun ? startedAt : null,
      finished_at: isRun ? new Date(startedAt.getTime() + (seen.ms ?? 10)) : null,
    });
    if (!seen.logs) continue;
    seq += 1;
    const lines = seen.logs.map((message) => ({ at: startedAt.toISOString(), stream: "stderr", message }));
    await knex("run_events").insert({
      run_id: id,
      seq,
      type: "step.log",
      step_id: step.id,
      item_index: -1,
      attempt: 1,
      data: JSON.stringify({ lines }),
    });
  }
  return id;
}

/** The suggestions of a kind. */
export function ofKind({ suggestions }: CopilotAnswer, kind: string): Suggestion[] {
  return suggestions.filter((suggestion) => suggestion.kind === kind);
}

/** A document with a suggestion's patch. */
export function patched<Value>(value: Value, { patch = [] }: Pick<Suggestion, "patch">): Value {
  const holder = { document: JSON.parse(JSON.stringify(value)) as Value };
  const results = applyPatch(
    holder,
    patch.map(({ path, from, ...rest }) => ({
      ...rest,
      path: `/document${path}`,
      ...(from === undefined ? {} : { from: `/document${from}` }),
    })) as Operation[],
  );
  expect(results.every((result) => result === null)).toBe(true);
  return holder.document;
}
