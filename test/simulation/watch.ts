import { lastSteps, type PlanStep, type RunPlan, DEFAULT_MAX_PARALLEL } from "../../src/core/plan.js";
import { isRunTerminal, isStepTerminal } from "../../src/core/statuses.js";
import { type StateLetter, statusOf } from "../../src/core/step-states.js";
import { type Book, ENDING_TIMEOUT_MS, type RunEntry } from "./book.js";
import { EventOrder } from "./event-order.js";
import { mayStart } from "./may-start.js";
import { rowKey, type RunTables, type StepRow, type Tables } from "./tables.js";
import { ensure } from "./violation.js";

/** By then a run that its caller does not wait for any more has been stopped, where nothing goes wrong. */
const ORPHAN_LIMIT_MS = 10_000;

/** Looks at the rows after each commit: whether they agree with the book and with each other, and lead on. */
export class Watch {
  /** Since when there are no faults. */
  calmSince = Number.POSITIVE_INFINITY;
  readonly #book: Book;
  readonly #orders = new Map<string, EventOrder>();
  /** What the rows of ended runs and steps said when they ended. */
  readonly #ended = new Map<string, string>();

  constructor(book: Book) {
    this.#book = book;
  }

  /** @throws Violation */
  look(tables: Tables, touched: readonly RunTables[]): void {
    for (const run of touched) {
      const entry = this.#book.runs.get(run.row.id);
      ensure(entry !== undefined, "crash", () => `${run.row.id} is not in the book`);
      this.#lookAtEvents(run);
      this.#lookAtRows(run, entry);
      if (run.row.finished_at === null) lookAhead(tables, run, entry);
      this.#lookAtEnd(run, entry.plan);
      if (run.row.finished_at === null) lookAtCaller(tables, run, this.calmSince);
      lookAtDeadline(run, entry);
    }
    if (touched.some(({ row }) => row.concurrency_key !== null)) lookAtSlots(tables, this.#book);
  }

  #lookAtEvents({ row, events }: RunTables): void {
    let order = this.#orders.get(row.id);
    if (!order) this.#orders.set(row.id, (order = new EventOrder()));
    order.follow(row.id, events);
    ensure(
      row.last_seq === events.length,
      "I5",
      () => `${row.id} has last_seq ${row.last_seq}, not ${events.length}`,
    );
  }

  #lookAtRows(run: RunTables, entry: RunEntry): void {
    const { row, steps, attempts } = run;
    for (const step of steps.values()) {
      const known = this.#book.stepOf(entry, { stepIndex: step.step_index, itemIndex: step.item_index });
      const { status = "pending", token = null, attempt = 1 } = known ?? {};
      const name = () => `${row.id}/${step.step_id}[${step.item_index}]`;
      ensure(step.status === status, "rows", () => `${name()} is ${step.status}; it should be ${status}`);
      ensure(
        step.lease_token === token,
        "I2",
        () => `${name()} has the lease ${step.lease_token}, not ${token}`,
      );
      ensure(
        attempt === 1 || step.attempt === attempt,
        "rows",
        () => `${name()} is at attempt ${step.attempt}`,
      );
      if (step.item_index < 0) {
        const letter = row.step_states[step.step_index] as StateLetter;
        ensure(
          statusOf(letter) === step.status,
          "rows",
          () => `${name()} is ${step.status}, its letter ${letter}`,
        );
        if (step.items_total !== null) lookAtItems(run, entry.plan, step, name);
      }
      const kept = attempts.get(rowKey(step.step_index, step.item_index))?.size ?? 0;
      if (known && attempt > 1)
        ensure(kept === attempt - 1, "rows", () => `${name()} keeps ${kept} of ${attempt - 1} attempts`);
    }
    ensure(steps.size >= entry.steps.size, "rows", () => `${row.id} lacks rows of steps`);
  }

  #lookAtEnd({ row, steps, items }: RunTables, plan: RunPlan): void {
    if (!isRunTerminal(row.status)) return;
    const text = JSON.stringify([row.status, row.step_states, row.last_seq, row.output, row.error]);
    const before = this.#ended.get(row.id);
    ensure(
      before === undefined || before === text,
      "I3",
      () => `${row.id} changes after its end: ${before} → ${text}`,
    );
    if (before !== undefined) return;
    this.#ended.set(row.id, text);
    const open = [...steps.values()].filter((step) => !isStepTerminal(step.status));
    ensure(
      open.length === 0,
      "outcome",
      () => `${row.id} ends while ${open[0]?.step_id} is ${open[0]?.status}`,
    );
    ensure((row.finished_at !== null) === true, "rows", () => `${row.id} has ended at no time`);
    for (const step of steps.values()) {
      const told = this.#orders.get(row.id)?.lastOf(step.step_id, step.item_index);
      ensure(
        told === step.status,
        "I5",
        () => `${row.id}/${step.step_id}[${step.item_index}] is ${step.status}, its last event says ${told}`,
      );
    }
    judgeOutcome({ row, steps, items } as RunTables, plan);
  }
}

/** A run that goes on has a caller that waits, or was told to stop. */
function lookAtCaller(tables: Tables, { row }: RunTables, calmSince: number): void {
  if (row.parent_run_id === null || row.ending !== null) return;
  const key = rowKey(row.parent_step_index ?? 0, row.parent_item_index ?? -1);
  const caller = tables.runs.get(row.parent_run_id)?.steps.get(key);
  const forMs = tables.now - Math.max(caller?.finished_at ?? tables.now, calmSince);
  ensure(
    forMs < ORPHAN_LIMIT_MS,
    "outcome",
    () => `${row.id} goes on ${forMs} ms after its caller has ended`,
  );
}

/** `finally` steps of a stopped run have their fifteen minutes, whatever the run's own limit is. */
function lookAtDeadline({ row }: RunTables, { stoppedAt }: RunEntry): void {
  if (row.finished_at !== null || stoppedAt === null) return;
  ensure(
    row.deadline_at === stoppedAt + ENDING_TIMEOUT_MS,
    "outcome",
    () => `${row.id} was stopped at ${stoppedAt}, and has time until ${row.deadline_at}`,
  );
}

/** Items under way, and the counts of a `forEach`. */
function lookAtItems({ steps }: RunTables, plan: RunPlan, whole: StepRow, name: () => string): void {
  let [rows, open, failed] = [0, 0, 0];
  for (let item = 0; ; item += 1) {
    const row = steps.get(rowKey(whole.step_index, item));
    if (!row) break;
    rows += 1;
    if (!isStepTerminal(row.status)) open += 1;
    if (row.status === "failed") failed += 1;
  }
  const most = plan.steps[whole.step_index]?.maxParallel ?? DEFAULT_MAX_PARALLEL;
  ensure(open <= most, "I7", () => `${name()} has ${open} items under way, more than ${most}`);
  if (isStepTerminal(whole.status)) {
    ensure(open === 0, "outcome", () => `${name()} has ended, ${open} of its items have not`);
    return;
  }
  const counts = [whole.items_next, whole.items_ended, whole.items_failed];
  ensure(
    counts.join() === [rows, rows - open, failed].join() && rows <= (whole.items_total ?? 0),
    "rows",
    () =>
      `${name()} counts ${counts.join()} (next, ended, failed), the items say ${rows}, ${rows - open}, ${failed}`,
  );
}

/** Every open step must have something that leads on: nobody would ever look after it otherwise. */
function lookAhead(tables: Tables, run: RunTables, entry: RunEntry): void {
  const { row, steps } = run;
  if (entry.isHeld) return;
  for (const step of steps.values()) {
    const name = () => `${row.id}/${step.step_id}[${step.item_index}]`;
    const plan = entry.plan.steps[step.step_index] as PlanStep;
    if (step.status === "pending") {
      const verdict = mayStart(entry.plan, row.step_states, plan, row.ending);
      ensure(verdict === "later", "I4", () => `${name()} is forgotten (${row.step_states}): ${verdict}`);
      continue;
    }
    if (isStepTerminal(step.status)) continue;
    ensure(leadsOn(tables, run, step), "I4", () => `${name()} is ${step.status}, and nothing leads on`);
  }
  const isAllEnded = !/[pqrw]/.test(row.step_states);
  ensure(
    !isAllEnded || entry.plan.outputs !== undefined,
    "I4",
    () => `${row.id} has nothing left to do, and is open`,
  );
}

function leadsOn(tables: Tables, { steps }: RunTables, step: StepRow): boolean {
  if (step.status === "queued") return step.available_at !== null;
  if (step.status === "waiting") return step.due_at !== null || step.approval !== null;
  if (step.lease_token !== null) return step.worker_id !== null;
  if (step.child_run_id !== null) return tables.runs.has(step.child_run_id);
  if (step.items_total === null) return false;
  if (step.items_ended === step.items_total) return true;
  for (let item = 0; item < (step.items_next ?? 0); item += 1) {
    const row = steps.get(rowKey(step.step_index, item));
    if (row && !isStepTerminal(row.status)) return true;
  }
  return false;
}

/** Runs of a workflow that have a slot. */
function lookAtSlots(tables: Tables, book: Book): void {
  const taken = new Map<string, number>();
  for (const { row } of tables.runs.values()) {
    if (row.concurrency_key === null || row.workflow_id === null) continue;
    if (row.admitted_at === null || row.finished_at !== null) continue;
    const count = (taken.get(row.workflow_id) ?? 0) + 1;
    taken.set(row.workflow_id, count);
    const most = book.runs.get(row.id)?.plan.concurrency?.limit ?? 0;
    ensure(count <= most, "I7", () => `${row.workflow_id} has ${count} runs under way, more than ${most}`);
  }
}

function judgeOutcome({ row, steps, items }: RunTables, plan: RunPlan): void {
  const hasFailed = row.step_states.includes("f");
  const expected = row.ending ?? (hasFailed ? "failed" : "succeeded");
  const isCloseFailed = expected === "succeeded" && row.status === "failed" && plan.outputs !== undefined;
  ensure(
    isCloseFailed || row.status === expected,
    "outcome",
    () => `${row.id} is ${row.status}, not ${expected}`,
  );
  ensure(
    (row.status === "succeeded") === (row.error === null),
    "outcome",
    () => `${row.id} is ${row.status} with the error ${JSON.stringify(row.error)}`,
  );
  for (const step of steps.values())
    if (step.items_total !== null && step.status === "succeeded") judgeItems(step, steps, items);
  if (row.status === "succeeded") judgeOutput(row, steps, plan);
}

/** The array of a `forEach`: every item, in order, with what it came to. */
function judgeItems(whole: StepRow, steps: RunTables["steps"], allItems: RunTables["items"]): void {
  const name = () => `${whole.run_id}/${whole.step_id}`;
  const { output } = whole;
  const items = allItems.get(whole.step_index) ?? [];
  ensure(
    Array.isArray(output) && output.length === whole.items_total && output.length === items.length,
    "outcome",
    () => `${name()} has ${JSON.stringify(output)} for ${whole.items_total} items`,
  );
  for (const [index, value] of output.entries()) {
    const row = steps.get(rowKey(whole.step_index, index));
    const mine = value as { item?: unknown; itemIndex?: number } | null;
    const isRight =
      row?.status === "failed"
        ? mine?.itemIndex === index
        : JSON.stringify(value) === JSON.stringify(row?.output);
    ensure(isRight, "outcome", () => `${name()}[${index}] is ${JSON.stringify(value)}`);
    const isOfItem = mine?.item === undefined || mine.item === items[index];
    ensure(isOfItem, "outcome", () => `${name()}[${index}] has another item: ${JSON.stringify(value)}`);
  }
}

function judgeOutput(row: RunTables["row"], steps: RunTables["steps"], plan: RunPlan): void {
  const outputOf = (index: number) => steps.get(rowKey(index, -1));
  const collected: [string, unknown][] = plan.outputs
    ? Object.entries(plan.outputs).map(([name, mapping]) => {
        const step = plan.steps.find(({ id }) => "step" in mapping && id === mapping.step);
        return [name, outputOf(step?.index ?? -1)?.output ?? null];
      })
    : lastSteps(plan)
        .filter(({ index }) => outputOf(index)?.status === "succeeded")
        .map(({ index, id }) => [id, outputOf(index)?.output]);
  const expected = collected.length === 0 && !plan.outputs ? null : Object.fromEntries(collected);
  ensure(
    JSON.stringify(row.output) === JSON.stringify(expected),
    "outcome",
    () => `${row.id} has the output ${JSON.stringify(row.output)}, not ${JSON.stringify(expected)}`,
  );
}
