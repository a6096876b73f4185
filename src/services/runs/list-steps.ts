import type { Knex } from "knex";
import type { StepRun } from "../../contracts/api/runs.js";
import type { JsonValue } from "../../core/json.js";
import type { ApprovalState } from "../../core/approval.js";
import type { RunError, StepStatus } from "../../core/statuses.js";
import { invalidFields, notFound } from "../../errors/app-error.js";
import type { ArtifactModel } from "../../models/artifact-model.js";
import type { Page, PageRequest } from "../../models/repository.js";
import type { ArtifactStore } from "../artifacts/artifact-store.js";
import type { PlanCache } from "../engine/plan-cache.js";
import { readStepUsage } from "../llm-spending/llm-usage.js";
import { explainWaiting, type IdleStep } from "./explain-waiting.js";
import { presentStep } from "./present-step.js";
import type { ShownOutput } from "./present-run.js";
import { MOST_SHOWN_BYTES, type OutputBudget, showStoredOutput } from "./show-outputs.js";
import { readWaitingWorld, type WaitingRun, waitingRunColumns } from "./waiting-world.js";

/** A row of `step_runs` without its inputs and output. */
export interface StepRow {
  readonly step_index: number;
  readonly item_index: number;
  readonly id: string;
  readonly step_id: string;
  readonly status: StepStatus;
  readonly attempt: number;
  readonly worker_id: string | null;
  readonly worker_group: string;
  readonly queued_at: Date | null;
  readonly available_at: Date | null;
  readonly is_delayed: boolean;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly error: RunError | null;
  readonly waiting_for: StepRun["waitingFor"] | null;
  readonly cache_hit: boolean;
  readonly sandbox_level: string | null;
  readonly output_artifact_id: string | null;
  readonly items_total: number | null;
  readonly items_next: number | null;
  readonly items_ended: number | null;
  readonly approval: ApprovalState | null;
}

/** A row of `step_attempts`. */
export interface AttemptRow {
  readonly step_index: number;
  readonly item_index: number;
  readonly attempt: number;
  readonly status: StepStatus;
  readonly worker_id: string | null;
  readonly queued_at: Date | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly error: RunError | null;
}

/** What a step took in and gave. */
export interface StepValues extends ShownOutput {
  readonly inputs: JsonValue;
}

/** What reading steps needs. */
export interface ListStepsDeps {
  readonly knex: Knex;
  readonly plans: Pick<PlanCache, "get">;
  readonly artifacts: Pick<ArtifactStore, "findMany" | "readJson" | "listFilesOfRun">;
}

/** Inputs and outputs of one answer, as text; steps beyond it come without. */
const MOST_VALUE_CHARS = 32 * 1024 * 1024;
const VALUES_PER_READ = 100;
const MOST_ARTIFACTS = 10_000;

/**
 * The step runs of a run, in the order of its definition.
 * @throws AppError NOT_FOUND
 */
export async function listSteps(
  deps: ListStepsDeps,
  runId: string,
  page: PageRequest,
): Promise<Page<StepRun>> {
  const { knex } = deps;
  const after = parseStepCursor(page.cursor);
  const [run, rows] = await Promise.all([
    knex("workflow_runs")
      .first(...waitingRunColumns(knex))
      .where("id", runId) as Promise<WaitingRun | undefined>,
    readSteps(knex, runId, after, page.limit + 1),
  ]);
  if (!run) throw notFound("Run");
  const shown = rows.slice(0, page.limit);
  const queued = shown.filter((row) => row.status === "queued").map((row) => row.step_index);
  const [attempts, files, values, usage, world] = await Promise.all([
    // the first attempt is the step run itself
    shown.some((row) => row.attempt > 1) ? readAttempts(knex, runId) : [],
    deps.artifacts.listFilesOfRun(runId, MOST_ARTIFACTS),
    readValues(deps, runId, shown),
    readStepUsage(knex, runId),
    readWaitingWorld(deps, run, new Set(queued)),
  ]);
  const attemptsByStep = groupByStep(attempts, (row) => stepKey(row.step_index, row.item_index));
  const filesByStep = groupByStep(files, (row: ArtifactModel) => stepKey(row.stepIndex, row.itemIndex));
  const items = shown.map((row) => {
    const key = stepKey(row.step_index, row.item_index);
    return presentStep(row, {
      values: values.get(key),
      attempts: attemptsByStep.get(key) ?? [],
      files: filesByStep.get(key) ?? [],
      usage: usage.get(`${row.step_id}/${row.item_index}`),
      waitingFor: world && explainWaiting(toIdleStep(row), world),
    });
  });
  const last = shown.at(-1);
  return { items, nextCursor: rows.length > page.limit && last ? toStepCursor(last) : null };
}

async function readSteps(
  knex: Knex,
  runId: string,
  after: readonly [number, number],
  limit: number,
): Promise<StepRow[]> {
  const { rows } = await knex.raw<{ rows: StepRow[] }>(
    `SELECT step_index, item_index, id, step_id, status, attempt, worker_id, worker_group, queued_at, available_at,
       COALESCE(available_at > now(), false) AS is_delayed, started_at, finished_at, error, waiting_for, cache_hit,
       sandbox_level, output_artifact_id, items_total, items_next, items_ended, approval
     FROM step_runs WHERE run_id = ? AND (step_index, item_index) > (?, ?)
     ORDER BY step_index, item_index LIMIT ?`,
    [runId, ...after, limit],
  );
  return rows;
}

async function readAttempts(knex: Knex, runId: string): Promise<AttemptRow[]> {
  return (await knex("step_attempts")
    .select(
      "step_index",
      "item_index",
      "attempt",
      "status",
      "worker_id",
      "queued_at",
      "started_at",
      "finished_at",
      "error",
    )
    .where("run_id", runId)
    .orderBy(["step_index", "item_index", "attempt"])) as AttemptRow[];
}

/** Inputs and outputs, a hundred steps at a time and until the answer is full. */
async function readValues(
  deps: ListStepsDeps,
  runId: string,
  steps: readonly StepRow[],
): Promise<Map<string, StepValues>> {
  const values = new Map<string, StepValues>();
  const budget: OutputBudget = { bytesLeft: MOST_SHOWN_BYTES };
  let charsLeft = MOST_VALUE_CHARS;
  for (let start = 0; start < steps.length && charsLeft > 0; start += VALUES_PER_READ) {
    const chunk = steps.slice(start, start + VALUES_PER_READ);
    const texts = await readValueTexts(deps.knex, runId, chunk);
    for (const row of chunk) {
      const key = stepKey(row.step_index, row.item_index);
      const text = texts.get(key);
      charsLeft -= (text?.inputs?.length ?? 0) + (text?.output?.length ?? 0);
      if (charsLeft < 0) break;
      const shown: ShownOutput = row.output_artifact_id
        ? await showStoredOutput(deps.artifacts, row.output_artifact_id, budget)
        : { output: parseText(text?.output ?? null) };
      values.set(key, { inputs: parseText(text?.inputs ?? null), ...shown });
    }
  }
  return values;
}

async function readValueTexts(knex: Knex, runId: string, steps: readonly StepRow[]) {
  const first = steps[0];
  const last = steps.at(-1);
  if (!first || !last) return new Map<string, { inputs: string | null; output: string | null }>();
  const { rows } = await knex.raw<{
    rows: { step_index: number; item_index: number; inputs: string | null; output: string | null }[];
  }>(
    `SELECT step_index, item_index, inputs::text AS inputs, output::text AS output FROM step_runs
     WHERE run_id = ? AND (step_index, item_index) >= (?, ?) AND (step_index, item_index) <= (?, ?)`,
    [runId, first.step_index, first.item_index, last.step_index, last.item_index],
  );
  return new Map(rows.map((row) => [stepKey(row.step_index, row.item_index), row]));
}

function parseText(text: string | null): JsonValue {
  return text === null ? null : (JSON.parse(text) as JsonValue);
}

function toIdleStep(row: StepRow): IdleStep {
  return {
    stepIndex: row.step_index,
    status: row.status,
    attempt: row.attempt,
    workerGroup: row.worker_group,
    queuedAt: row.queued_at,
    availableAt: row.available_at,
    startedAt: row.started_at,
    isDelayed: row.is_delayed,
    waitingFor: row.waiting_for ?? null,
    approval: row.approval,
    items:
      row.items_total === null
        ? null
        : { total: row.items_total, queued: row.items_next ?? 0, ended: row.items_ended ?? 0 },
  };
}

function stepKey(stepIndex: number, itemIndex: number): string {
  return `${stepIndex}/${itemIndex}`;
}

function groupByStep<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group) group.push(row);
    else groups.set(keyOf(row), [row]);
  }
  return groups;
}

function toStepCursor(row: StepRow): string {
  return Buffer.from(`${row.step_index}.${row.item_index}`).toString("base64url");
}

function parseStepCursor(cursor: string | undefined): readonly [number, number] {
  if (cursor === undefined) return [-1, -1];
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  const match = /^(\d{1,9})\.(-1|\d{1,9})$/.exec(text);
  if (!match || Buffer.from(text).toString("base64url") !== cursor) {
    throw invalidFields([{ path: "/cursor", message: "is not a cursor of this list" }]);
  }
  return [Number(match[1]), Number(match[2])];
}
