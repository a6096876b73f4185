import { LOST_WORKERS_OF_SUSPECT } from "../../src/core/advance.js";
import type { StepJob } from "../../src/contracts/step-job.js";
import type { Transition } from "../../src/core/transition.js";
import { APART_MS, KEPT_AWAY_SECONDS, WATCH_SECONDS } from "../../src/services/engine/lost-steps.js";
import { sweepAdmissions } from "./admission.js";
import { closeRun, followOutcome } from "./follow-outcome.js";
import type { SimProcess } from "./process.js";
import { mendSubRuns } from "./sub-runs.js";
import { type AttemptRow, rowKey, type StepRow } from "./tables.js";
import { DatabaseAway, type Task } from "./task.js";

/** The parts of the reconciler and of what else mends; a mutant may lack one. */
export const PARTS = [
  "returnLostSteps",
  "judgeSuspects",
  "dispatchMissing",
  "failOverdueSteps",
  "expireRuns",
  "joinForgotten",
  "closeForgotten",
  "mendSubRuns",
  "carryEnds",
  "stopOrphans",
  "wakeDue",
  "failLostApps",
  "sweepAdmissions",
] as const;
export type Part = (typeof PARTS)[number];

const LOOK_EVERY_MS = 2000;
const WAKE_EVERY_MS = 500;
const ASK_AFTER_MS = 8000;

const BODIES: Readonly<
  Record<Exclude<Part, "carryEnds" | "stopOrphans" | "wakeDue">, (process: SimProcess) => Task<void>>
> = {
  returnLostSteps,
  judgeSuspects,
  dispatchMissing,
  failOverdueSteps,
  expireRuns,
  joinForgotten,
  closeForgotten,
  mendSubRuns,
  failLostApps,
  sweepAdmissions,
};

/** As `reconciler.ts` does, every two seconds. Each part is tried even when another fails. */
export function* runReconciler(process: SimProcess): Task<void> {
  yield* process.sleep(process.world.random.int(0, LOOK_EVERY_MS));
  for (;;) {
    for (const [part, body] of Object.entries(BODIES))
      if (process.world.does(part as Part)) yield* attempt(body(process));
    yield* process.sleep(LOOK_EVERY_MS);
  }
}

/** As `timers.ts` does. */
export function* runTimers(process: SimProcess): Task<void> {
  yield* process.sleep(process.world.random.int(0, WAKE_EVERY_MS));
  for (;;) {
    if (process.world.does("wakeDue")) yield* attempt(wakeDue(process));
    yield* process.sleep(WAKE_EVERY_MS);
  }
}

function* attempt(task: Task<void>): Task<void> {
  try {
    yield* task;
  } catch (error) {
    if (!(error instanceof DatabaseAway)) throw error;
  }
}

function* applyAll(
  process: SimProcess,
  rows: readonly StepRow[],
  toTransition: (row: StepRow) => Transition,
): Task<void> {
  yield* process.all(rows.map((row) => applyOne(process, row.run_id, toTransition(row))));
}

function* applyOne(process: SimProcess, runId: string, transition: Transition): Task<void> {
  yield* followOutcome(process, runId, yield* process.apply(runId, transition));
}

function keyOf({ step_index: stepIndex, item_index: itemIndex }: StepRow) {
  return { stepIndex, itemIndex };
}

/** As `lost-steps.ts` does, but that any of a worker's steps may have been the last to start. */
function* returnLostSteps(process: SimProcess): Task<void> {
  const { database, loop, random } = process.world;
  const { workers } = database.tables;
  const lost = database.openSteps(
    (row) =>
      row.status === "running" &&
      row.lease_token !== null &&
      (workers.get(row.worker_id ?? "") ?? Number.NEGATIVE_INFINITY) < loop.now,
  );
  const delayOf = (row: StepRow): number => {
    const isSecond = row.lost_count === LOST_WORKERS_OF_SUSPECT - 1;
    if (isSecond && onlyItsOwnDie(process, row, row.worker_id)) return KEPT_AWAY_SECONDS * 1000;
    return row.lost_count === 0 && random.chance(0.3) ? APART_MS : 0;
  };
  const delays = new Map(lost.map((row) => [row, delayOf(row)]));
  yield* applyAll(process, lost, (row) => ({
    kind: "lose",
    ...keyOf(row),
    token: row.lease_token ?? "",
    delayMs: delays.get(row) ?? 0,
  }));
}

function* judgeSuspects(process: SimProcess): Task<void> {
  const { database, loop } = process.world;
  const guilty = database.openSteps((row) => {
    const last = attemptsOf(process, row).get(row.attempt - 1);
    return (
      row.status === "queued" &&
      row.lost_count === LOST_WORKERS_OF_SUSPECT &&
      last?.error?.code === "worker_lost" &&
      // kept away for longer than the watch
      (row.available_at ?? 0) > loop.now &&
      (row.available_at ?? 0) < loop.now + (KEPT_AWAY_SECONDS - WATCH_SECONDS) * 1000 &&
      onlyItsOwnDie(process, row, null) &&
      !isOneOfMany(process, row, last.worker_id)
    );
  });
  const error = { code: "worker_lost", message: "Two workers are gone, and no other" } as const;
  yield* applyAll(process, guilty, (row) => ({
    kind: "failQueued",
    ...keyOf(row),
    attempt: row.attempt,
    error,
  }));
}

/** Whether all dead workers had this step, and are as many as make a suspect. */
function onlyItsOwnDie(process: SimProcess, row: StepRow, atHand: string | null): boolean {
  const { database, loop } = process.world;
  const lost = [...attemptsOf(process, row).values()].filter(({ error }) => error?.code === "worker_lost");
  const own = new Set([atHand, ...lost.map((kept) => kept.worker_id)]);
  const dead = [...database.tables.workers].filter(([, until]) => until < loop.now);
  return dead.length === LOST_WORKERS_OF_SUSPECT && dead.every(([id]) => own.has(id));
}

/** Whether another suspect that was lost with the same worker has yet to end. */
function isOneOfMany(process: SimProcess, row: StepRow, workerId: string | null): boolean {
  const others = process.world.database.openSteps(
    (near) =>
      near !== row &&
      near.lost_count >= LOST_WORKERS_OF_SUSPECT &&
      ["queued", "running", "waiting"].includes(near.status) &&
      [...attemptsOf(process, near).values()].some((kept) => kept.worker_id === workerId),
  );
  return others.length > 0;
}

function attemptsOf(process: SimProcess, row: StepRow): ReadonlyMap<number, AttemptRow> {
  const run = process.world.database.tables.runs.get(row.run_id);
  return run?.attempts.get(rowKey(row.step_index, row.item_index)) ?? new Map();
}

function* dispatchMissing(process: SimProcess): Task<void> {
  const { database, loop, queue } = process.world;
  const isLongAgo = (time: number | null) => time !== null && time < loop.now - ASK_AFTER_MS;
  const rows = database.openSteps(
    (row) =>
      row.status === "queued" &&
      isLongAgo(row.available_at) &&
      (row.checked_at === null || isLongAgo(row.checked_at)),
  );
  const jobs = rows.map((row) => toJob(row, database.versionOf(row.run_id)));
  const missing = queue.findMissing(jobs);
  yield* process.sleep(1);
  if (!process.world.faults.strike("queueAway")) for (const job of missing) queue.add(job, 0);
  for (const row of rows) if (row.status === "queued") row.checked_at = loop.now;
}

function toJob(row: StepRow, versionId: string): StepJob {
  const { run_id: runId, step_id: stepId, attempt } = row;
  return { runId, versionId, stepId, attempt, ...keyOf(row) };
}

function* failOverdueSteps(process: SimProcess): Task<void> {
  const { database, loop } = process.world;
  const error = { code: "timeout", message: "No worker took the step" } as const;
  const late = database.openSteps(
    (row) =>
      row.status === "queued" &&
      row.queue_timeout_seconds !== null &&
      (row.available_at ?? loop.now) + row.queue_timeout_seconds * 1000 < loop.now,
  );
  yield* applyAll(process, late, (row) => ({
    kind: "failQueued",
    ...keyOf(row),
    attempt: row.attempt,
    error,
  }));
}

function* expireRuns(process: SimProcess): Task<void> {
  const { database, loop } = process.world;
  const error = { code: "timeout", message: "The run took longer than its timeoutSeconds" } as const;
  const late = database
    .openRuns()
    .filter(({ row }) => row.deadline_at !== null && row.deadline_at < loop.now);
  // each of them read its row before any is applied
  const stops = late.map(({ row }) => [row.id, { kind: "expire", error, ifEnding: row.ending }] as const);
  yield* process.all(stops.map(([id, stop]) => applyOne(process, id, stop)));
}

function* joinForgotten(process: SimProcess): Task<void> {
  const rows = process.world.database.openSteps(
    (row) => row.status === "running" && row.items_total !== null && row.items_ended === row.items_total,
  );
  for (const { run_id: runId, step_index: joining } of rows)
    yield* followOutcome(process, runId, { status: "running", isClosing: false, joining });
}

function* closeForgotten(process: SimProcess): Task<void> {
  const rows = process.world.database.openRuns().filter(({ row }) => !/[pqrw]/.test(row.step_states));
  for (const { row } of rows) yield* closeRun(process, row.id);
}

function* wakeDue(process: SimProcess): Task<void> {
  const { database, loop } = process.world;
  const due = database.openSteps((row) => row.due_at !== null && row.due_at <= loop.now);
  yield* applyAll(process, due, (row) => ({ kind: "wake", ...keyOf(row) }));
}

/** As `lost-apps.ts` does: an app is reported by its worker, and lost with it. */
function* failLostApps(process: SimProcess): Task<void> {
  const { apps, database, loop } = process.world;
  for (const app of [...apps]) {
    if ((database.tables.workers.get(app.workerId) ?? Number.NEGATIVE_INFINITY) >= loop.now) continue;
    const { runId, stepIndex, itemIndex, token } = app;
    yield* applyOne(process, runId, { kind: "lose", stepIndex, itemIndex, token });
    apps.delete(app);
  }
}
