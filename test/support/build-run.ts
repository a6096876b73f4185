import type { Knex } from "knex";
import type { RunEventType } from "../../src/contracts/run-events.js";
import { isTerminalEvent } from "../../src/contracts/run-events.js";
import { newId } from "../../src/core/ids.js";
import type { RunPlan } from "../../src/core/plan.js";
import { type StateLetter, statusOf } from "../../src/core/step-states.js";
import { buildPlan } from "./build-plan.js";

/** What a test says of a run; the rest is filled in. Columns by their names in the table. */
export interface RunDraft {
  readonly plan?: RunPlan;
  readonly run?: Readonly<Record<string, unknown>>;
  /** One letter per step; default: all pending. */
  readonly states?: string;
}

/** A saved run: its row, its version's row and one row per step. */
export interface SavedRun {
  readonly id: string;
  readonly versionId: string;
}

/** Saves a run as the engine would. */
export async function saveRun(knex: Knex, draft: RunDraft = {}): Promise<SavedRun> {
  const plan = draft.plan ?? buildPlan([{ id: "only" }]);
  const states = draft.states ?? "p".repeat(plan.steps.length);
  const versionId = newId();
  const id = (draft.run?.["id"] as string | undefined) ?? newId();
  await knex("workflow_versions").insert({
    id: versionId,
    name: "test",
    version: 1,
    definition: "{}",
    plan: JSON.stringify(plan),
  });
  await knex("workflow_runs").insert({
    id,
    workflow_version_id: versionId,
    workflow_name: "test",
    workflow_version: 1,
    status: "running",
    trigger: "api",
    input: "{}",
    created_by_name: "test",
    step_states: states,
    ...draft.run,
  });
  await knex.batchInsert(
    "step_runs",
    plan.steps.map((step) => ({
      run_id: id,
      step_index: step.index,
      id: newId(),
      step_id: step.id,
      status: statusOf(states[step.index] as StateLetter),
      worker_group: step.workerGroup,
    })),
  );
  return { id, versionId };
}

/** An event before it has its number. */
export interface EventSketch {
  readonly type: RunEventType;
  readonly step_id?: string;
  readonly attempt?: number;
  readonly data?: unknown;
}

/** Appends events as the engine does: numbers from the run's row, under its lock, in one transaction. Returns the newest. */
export async function appendEvents(
  knex: Knex,
  runId: string,
  events: readonly EventSketch[],
): Promise<number> {
  return await knex.transaction(async (trx) => {
    const [run] = (await trx("workflow_runs")
      .where("id", runId)
      .increment("last_seq", events.length)
      .returning("last_seq")) as { last_seq: number }[];
    const newest = run?.last_seq ?? 0;
    await trx("run_events").insert(
      events.map(({ data, ...event }, index) => ({
        run_id: runId,
        seq: newest - events.length + index + 1,
        data: JSON.stringify(data ?? {}),
        ...event,
      })),
    );
    const terminal = events.find((event) => isTerminalEvent(event.type));
    if (terminal) {
      const status = terminal.type.slice("run.".length);
      await trx("workflow_runs").where("id", runId).update({ status, finished_at: trx.fn.now() });
    }
    return newest;
  });
}
