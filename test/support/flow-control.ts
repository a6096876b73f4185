import { newId } from "../../src/core/ids.js";
import type { JsonValue } from "../../src/core/json.js";
import type { RunPlan } from "../../src/core/plan.js";
import type { Platform } from "../../src/container.js";

/** A workflow with one version, as flow control sees it. */
export interface SavedWorkflow {
  readonly workflowId: string;
  readonly versionId: string;
}

/** Saves a workflow and a plan as its published version. */
export async function saveWorkflow({ knex }: Pick<Platform, "knex">, plan: RunPlan): Promise<SavedWorkflow> {
  const workflowId = newId();
  const versionId = newId();
  const name = `flow-${workflowId.slice(-12)}`;
  await knex("workflow_definitions").insert({
    id: workflowId,
    name,
    latest_version: 1,
    published_version: 1,
  });
  await knex("workflow_versions").insert({
    id: versionId,
    workflow_definition_id: workflowId,
    name,
    version: 1,
    definition: JSON.stringify({ steps: plan.steps.map(({ id }) => ({ id, uses: "builtin:noop" })) }),
    plan: JSON.stringify(plan),
    published_at: knex.fn.now(),
  });
  return { workflowId, versionId };
}

/** Starts a run through admission, as commands do; resolves when it is stored and had its chance. */
export async function startHeld(
  platform: Platform,
  workflow: SavedWorkflow,
  more: { input?: JsonValue; priority?: number; delayMs?: number } = {},
): Promise<string> {
  const id = newId();
  await platform.admission.create({
    id,
    ...workflow,
    workflowName: "flow",
    workflowVersion: 1,
    trigger: "api",
    input: more.input ?? {},
    labels: {},
    priority: more.priority ?? 0,
    delayMs: more.delayMs ?? 0,
    createdBy: null,
    createdByName: "test",
  });
  return id;
}

/** Ends a run of one step as a worker would: claims the step and succeeds. */
export async function endRun(platform: Platform, workflow: SavedWorkflow, runId: string): Promise<void> {
  const { engine } = platform;
  const key = { stepIndex: 0, itemIndex: -1 };
  const token = crypto.randomUUID();
  const worker = { workerId: newId(), sandboxLevel: "process" };
  const claim = { kind: "claim", ...key, attempt: 1, token, ...worker } as const;
  const claimed = await engine.commit.apply(runId, workflow.versionId, claim);
  if (claimed.refusal) throw new Error(`run ${runId} cannot be claimed: ${claimed.refusal.reason}`);
  await engine.commit.apply(runId, workflow.versionId, { kind: "succeed", ...key, token, output: {} });
}

/** Which runs of a workflow are admitted and have not ended, in the order of their admission. */
export async function slotHolders(
  { knex }: Pick<Platform, "knex">,
  { workflowId }: SavedWorkflow,
): Promise<string[]> {
  const rows = await knex("workflow_runs")
    .where("workflow_id", workflowId)
    .whereNotNull("admitted_at")
    .whereNull("finished_at")
    .orderBy("admitted_at")
    .select("id");
  return rows.map((row) => row.id as string);
}
