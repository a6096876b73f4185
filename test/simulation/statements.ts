import type { JsonValue } from "../../src/core/json.js";
import type { RunStatus, StepStatus } from "../../src/core/statuses.js";
import * as sql from "../../src/services/engine/engine-statements.js";
import type { Statement } from "../../src/services/engine/flush-batch.js";
import { ITEMS_PER_CHUNK } from "../../src/services/engine/step-changes.js";
import { type AttemptRow, type RunRow, rowKey, type StepRow, type Tables, tablesOf } from "./tables.js";

/*
 * The statements of the group commit, as PostgreSQL runs them. What a parameter is called is read from the SQL itself,
 * so that columns in another order there are columns in another order here.
 */

interface StepParams {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
}

type Effect = (tables: Tables, params: never) => void;

const NO_STEP = {
  status: "pending",
  attempt: 1,
  lost_count: 0,
  released_count: 0,
  lease_token: null,
  worker_id: null,
  available_at: null,
  checked_at: null,
  due_at: null,
  finished_at: null,
  output: null,
  error: null,
  items_total: null,
  items_next: null,
  items_ended: null,
  items_failed: null,
  child_run_id: null,
  approval: null,
} as const;

function parse<Value>(json: string | null): Value {
  return json === null ? (null as Value) : (JSON.parse(json) as Value);
}

/** `UPDATE step_runs … WHERE run_id = … AND step_index = … AND item_index = …`: nothing when there is no such row. */
function update(tables: Tables, { run_id, step_index, item_index }: StepParams, set: Partial<StepRow>): void {
  const row = tables.runs.get(run_id)?.steps.get(rowKey(step_index, item_index));
  if (row) Object.assign(row, set);
}

function insert(tables: Tables, row: StepRow): void {
  const { steps } = tablesOf(tables, row.run_id);
  const key = rowKey(row.step_index, row.item_index);
  if (steps.has(key)) throw new Error(`duplicate key in step_runs: ${row.run_id}/${key}`);
  steps.set(key, row);
}

function insertRun(
  tables: Tables,
  params: Omit<RunRow, "workflow_version_id" | "error"> & {
    version_id: string;
    delay_ms: number;
    is_ended: boolean;
    is_held: boolean;
    error: string | null;
  },
): void {
  const { version_id, delay_ms, is_ended, is_held, error, ...rest } = params;
  if (tables.runs.has(rest.id)) throw new Error(`duplicate key in workflow_runs: ${rest.id}`);
  const row: RunRow = {
    ...rest,
    workflow_version_id: version_id,
    available_at: tables.now + delay_ms,
    finished_at: is_ended ? tables.now : null,
    admitted_at: is_held ? null : tables.now,
    error: parse(error),
    flow: 1,
    ending: null,
    output: null,
    started_at: null,
    deadline_at: null,
    admission: null,
  };
  const empty = { steps: new Map(), events: [], items: new Map(), attempts: new Map() };
  tables.runs.set(row.id, { row, ...empty });
}

function insertStep(
  tables: Tables,
  params: StepParams & {
    step_id: string;
    status: StepStatus;
    queue_timeout: number | null;
    delay_ms: number;
    error: string | null;
  },
): void {
  const { run_id, step_index, step_id, status, queue_timeout, delay_ms, error } = params;
  const isEnded = status === "skipped" || status === "succeeded";
  const names = { run_id, step_index, item_index: -1, step_id, queue_timeout_seconds: queue_timeout };
  insert(tables, {
    ...NO_STEP,
    ...names,
    status,
    available_at: status === "queued" ? tables.now + delay_ms : null,
    finished_at: isEnded ? tables.now : null,
    error: parse(error),
  });
}

function insertItem(
  tables: Tables,
  params: StepParams & {
    step_id: string;
    queue_timeout: number | null;
    token: string | null;
    worker_id: string | null;
  },
): void {
  const { run_id, step_index, item_index, step_id, queue_timeout, token, worker_id } = params;
  const names = { run_id, step_index, item_index, step_id, queue_timeout_seconds: queue_timeout };
  insert(tables, {
    ...NO_STEP,
    ...names,
    status: token === null ? "queued" : "running",
    available_at: tables.now,
    lease_token: token,
    worker_id,
  });
}

function insertItems(
  tables: Tables,
  params: { run_id: string; step_index: number; chunk: number; items: string },
): void {
  const { items } = tablesOf(tables, params.run_id);
  const list = items.get(params.step_index) ?? [];
  if (list.length !== params.chunk * ITEMS_PER_CHUNK) throw new Error("duplicate key in step_items");
  items.set(params.step_index, [...list, ...parse<JsonValue[]>(params.items)]);
}

function startStep(tables: Tables, params: StepParams & { token: string; worker_id: string }): void {
  const row = tables.runs.get(params.run_id)?.steps.get(rowKey(params.step_index, params.item_index));
  const available_at = row?.available_at ?? tables.now;
  const { token: lease_token, worker_id } = params;
  update(tables, params, { status: "running", lease_token, worker_id, available_at, finished_at: null });
}

function endStep(
  tables: Tables,
  params: StepParams & {
    status: StepStatus;
    output: string | null;
    error: string | null;
    worker_id: string | null;
  },
): void {
  const { worker_id } = params;
  // begun in the same flush
  if (worker_id !== null) startStep(tables, { ...params, token: "", worker_id });
  update(tables, params, {
    status: params.status,
    output: parse(params.output),
    error: parse(params.error),
    finished_at: tables.now,
    lease_token: null,
    due_at: null,
  });
}

function archiveAttempt(tables: Tables, params: StepParams & { readonly error: string }): void {
  const key = rowKey(params.step_index, params.item_index);
  const { steps, attempts } = tablesOf(tables, params.run_id);
  const row = steps.get(key);
  if (!row) return;
  const ended = attempts.get(key) ?? new Map<number, AttemptRow>();
  attempts.set(key, ended.set(row.attempt, { worker_id: row.worker_id, error: parse(params.error) }));
}

function queueStep(
  tables: Tables,
  params: StepParams & { attempt: number; lost_count: number; released_count: number; delay_ms: number },
): void {
  const { attempt, lost_count, released_count, delay_ms } = params;
  update(tables, params, {
    status: "queued",
    attempt,
    lost_count,
    released_count,
    available_at: tables.now + delay_ms,
    checked_at: null,
    lease_token: null,
    worker_id: null,
    finished_at: null,
    due_at: null,
    child_run_id: null,
  });
}

function insertEvent(
  tables: Tables,
  params: {
    run_id: string;
    seq: number;
    type: string;
    step_id: string | null;
    item_index: number | null;
    attempt: number | null;
    data: string;
  },
): void {
  const { run_id, ...event } = params;
  tablesOf(tables, run_id).events.push(event);
}

function countItems(
  tables: Tables,
  params: StepParams & { total: number; next: number; ended: number; failed: number; error: string | null },
): void {
  const { total: items_total, next: items_next, ended: items_ended, failed: items_failed } = params;
  const error = parse<StepRow["error"]>(params.error);
  update(tables, params, { status: "running", items_total, items_next, items_ended, items_failed, error });
}

function cancelItems(tables: Tables, params: Omit<StepParams, "item_index"> & { error: string }): void {
  for (const row of tablesOf(tables, params.run_id).steps.values()) {
    const isOpen = row.status === "queued" || row.status === "running" || row.status === "waiting";
    if (row.step_index !== params.step_index || row.item_index < 0 || !isOpen) continue;
    const ended = { finished_at: tables.now, lease_token: null, due_at: null };
    Object.assign(row, { status: "canceled", error: parse(params.error), ...ended });
  }
}

function holdStep(
  tables: Tables,
  params: StepParams & {
    approval: string | null;
    due_ms: number | null;
    due_at: string | null;
    waiting: string;
  },
): void {
  const { approval, due_ms, due_at, run_id, step_index, item_index } = params;
  const before = tables.runs.get(run_id)?.steps.get(rowKey(step_index, item_index));
  const isSuspended = parse<{ reason?: string }>(params.waiting).reason === "submit";
  const lease_token = isSuspended ? (before?.lease_token ?? null) : null;
  const due = due_at === null ? (due_ms === null ? null : tables.now + due_ms) : Date.parse(due_at);
  update(tables, params, { status: "waiting", lease_token, approval: parse(approval), due_at: due });
}

function recordApproval(tables: Tables, params: StepParams & { approval: string }): void {
  update(tables, params, { approval: parse(params.approval) });
}

function callRun(
  tables: Tables,
  params: StepParams & { child_run_id: string; timeout: number | null },
): void {
  const { child_run_id, timeout } = params;
  const due_at = timeout === null ? null : tables.now + timeout * 1000;
  update(tables, params, { status: "running", child_run_id, due_at });
}

function copyResult(
  tables: Tables,
  params: Omit<StepParams, "item_index"> & { from_run_id: string; from_index: number },
): void {
  const old = tables.runs.get(params.from_run_id)?.steps.get(rowKey(params.from_index, -1));
  if (!old) return;
  const { output, error, attempt, worker_id, child_run_id, finished_at } = old;
  const taken = { output, error, attempt, worker_id, child_run_id, finished_at };
  update(tables, { ...params, item_index: -1 }, taken);
}

/** How long `finally` steps of a stopped run may take. */
const ENDING_TIMEOUT_MS = 15 * 60_000;

function updateRun(
  tables: Tables,
  params: {
    id: string;
    status: RunStatus;
    step_states: string;
    last_seq: number;
    error: string | null;
    has_started: boolean;
    timeout_s: number | null;
    is_ended: boolean;
    output: string | null;
    collect: string | null;
    ending: RunRow["ending"];
    flow: number;
  },
): void {
  const { row } = tablesOf(tables, params.id);
  const { now } = tables;
  const { status, step_states, last_seq, has_started, timeout_s, is_ended, ending, flow } = params;
  if (has_started) row.started_at = now;
  if (ending !== null && row.ending === null) row.deadline_at = now + ENDING_TIMEOUT_MS;
  else if (has_started && timeout_s !== null) row.deadline_at = now + timeout_s * 1000;
  const finished_at = is_ended ? now : null;
  const output =
    params.collect === null ? parse<JsonValue>(params.output) : collect(tables, params.id, params.collect);
  const error = parse<RunRow["error"]>(params.error);
  Object.assign(row, { status, step_states, last_seq, error, ending, flow, finished_at, output });
}

function collect(tables: Tables, runId: string, indices: string): JsonValue {
  const { steps } = tablesOf(tables, runId);
  const rows = indices.split(",").flatMap((index) => {
    const row = steps.get(rowKey(Number(index), -1));
    return row?.status === "succeeded" ? [[row.step_id, row.output] as const] : [];
  });
  return rows.length === 0 ? null : Object.fromEntries(rows);
}

const EFFECTS: readonly (readonly [Omit<Statement, "values">, Effect])[] = [
  [sql.INSERT_RUNS, insertRun],
  [sql.INSERT_STEPS, insertStep],
  [sql.COPY_RESULTS, copyResult],
  [sql.COPY_ARTIFACTS, () => undefined],
  [sql.INSERT_ITEM_CHUNKS, insertItems],
  [sql.INSERT_ITEMS, insertItem],
  [sql.START_STEPS, startStep],
  [sql.RECORD_INPUTS, () => undefined],
  [sql.HOLD_STEPS, holdStep],
  [sql.CALL_RUNS, callRun],
  [sql.RECORD_APPROVALS, recordApproval],
  [sql.ARCHIVE_ATTEMPTS, archiveAttempt],
  [sql.QUEUE_STEPS, queueStep],
  [sql.COUNT_ITEMS, countItems],
  [sql.END_STEPS, endStep],
  [sql.CANCEL_ITEMS, cancelItems],
  [sql.INSERT_EVENTS, insertEvent],
  [sql.UPDATE_RUNS, updateRun],
];

const BY_NAME = new Map(
  EFFECTS.map(([{ name, text }, effect]) => [name, { names: parameterNames(text), effect }]),
);

/** `AS u (run_id, …)`; where a statement selects everything, the columns that it inserts. */
function parameterNames(text: string): string[] {
  const list = /\bAS \w+ \(([^)]+)\)/.exec(text) ?? /INSERT INTO \w+ \(([^)]+)\)/.exec(text);
  return (list?.[1] ?? "").split(",").map((name) => name.trim());
}

/** Runs one statement of a flush, row by row. */
export function execute(tables: Tables, { name, text, values }: Statement): void {
  const known = BY_NAME.get(name);
  if (!known) throw new Error(`the simulation does not know the statement ${name}`);
  const columns = values as readonly (readonly unknown[])[];
  if (columns.length !== known.names.length) throw new Error(`${name} has ${columns.length} parameters`);
  const rows = columns[0]?.length ?? 0;
  if (rows > 1 && text.includes("UPDATE step_runs") && name !== sql.RECORD_INPUTS.name)
    forbidTwice(name, columns);
  for (let row = 0; row < rows; row += 1) {
    const params: Record<string, unknown> = {};
    for (let column = 0; column < columns.length; column += 1)
      params[known.names[column] as string] = columns[column]?.[row];
    known.effect(tables, params as never);
  }
}

/** Of two rows of parameters for one row of the table, PostgreSQL takes either: the engine must never ask for that. */
function forbidTwice(name: string, columns: readonly (readonly unknown[])[]): void {
  const [runs = [], steps = [], items = []] = columns;
  const keys = runs.map((run, row) => `${String(run)}/${String(steps[row])}/${String(items[row])}`);
  if (new Set(keys).size < keys.length) throw new Error(`${name} names a row twice: ${keys.join(", ")}`);
}
