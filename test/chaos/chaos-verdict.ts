import { groupBy } from "../../src/queues/group-by.js";
import { MAX_LOST_WORKERS } from "../../src/core/advance.js";
import { isRunTerminal, isStepTerminal } from "../../src/core/statuses.js";
import type { Blow } from "./chaos-blows.js";
import type { ChaosFollower } from "./chaos-follower.js";
import type { ChaosLoad } from "./chaos-load.js";
import type { ChaosRows, RunRow, StepRow } from "./chaos-rows.js";
import type { Sighting } from "./chaos-witness.js";
import { judgeEvents } from "./judge-events.js";
import { judgeLimits } from "./judge-limits.js";

/** What is promised: each with what broke it. */
export const PROMISES = {
  lost: "runs lost",
  doubled: "runs doubled",
  stuck: "runs stuck",
  ending: "runs that ended otherwise than their definition says",
  again: "steps executed again without an attempt of their own",
  missed: "steps that succeeded without an execution",
  slots: "slots leaked (leases, held decisions, open steps of ended runs)",
  events: "events missing, doubled or out of place in PostgreSQL (I5)",
  followers: "events missing or doubled for followers",
  I1: "I1: started again after they had succeeded",
  I2: "I2: attempts that do not follow on each other, or two ends",
  I3: "I3: changed after the end",
  I4: "I4: open with nothing that leads on",
  I6: "I6: started before what they wait for had ended",
  I7: "I7: limits exceeded (concurrency, maxParallel)",
} as const;
export type Promised = keyof typeof PROMISES;

/** What was seen, and from outside. */
export interface Evidence {
  readonly rows: ChaosRows;
  readonly load: Pick<ChaosLoad, "started" | "reruns" | "rejected">;
  readonly followers: readonly ChaosFollower[];
  readonly sightings: readonly Sighting[];
  readonly blows: readonly Blow[];
}

/** What became of it all. */
export interface ChaosVerdict {
  readonly faults: Readonly<Record<Promised, readonly string[]>>;
  /** Executions whose claim PostgreSQL lost as it died: it was not on disk, so the step was still queued. */
  readonly lostClaims: number;
  /** Runs that gave a step up after two or three of its workers had died. */
  readonly givenUp: number;
}

/** Adds to the faults of a promise. */
export type Accuse = (promise: Promised, fault: string) => void;

/** Judges everything. */
export function judgeChaos(evidence: Evidence): ChaosVerdict {
  const faults = Object.fromEntries(Object.keys(PROMISES).map((name) => [name, []])) as unknown as Record<
    Promised,
    string[]
  >;
  const accuse: Accuse = (promise, fault) => void faults[promise].push(fault);
  judgeRuns(evidence, accuse);
  const givenUp = judgeEndings(evidence, accuse);
  const lostClaims = judgeExecutions(evidence, accuse);
  judgeSlots(evidence.rows, accuse);
  judgeEvents(evidence, accuse);
  judgeLimits(evidence.rows, accuse);
  return { faults, lostClaims, givenUp };
}

/** Every start made one run, every call one run for each of its attempts, and nothing else did. */
function judgeRuns({ rows, load }: Evidence, accuse: Accuse): void {
  const byNumber = groupBy(
    rows.runs.filter((run) => run.parent_run_id === null && run.replay_of === null),
    (run) => run.number ?? "",
  );
  const known = new Set(rows.runs.map(({ id }) => id));
  for (const { number, runId } of load.started) {
    const own = byNumber.get(String(number)) ?? [];
    if (own.length === 0) accuse("lost", `start ${number} made no run`);
    if (own.length > 1) accuse("doubled", `start ${number} made ${own.map(({ id }) => id).join(", ")}`);
    if (runId !== undefined && !known.has(runId)) accuse("lost", `${runId}, which was answered, is gone`);
    byNumber.delete(String(number));
  }
  for (const [number, runs] of byNumber)
    accuse("doubled", `${runs.length} runs that nobody started (label ${number})`);
  const reruns = rows.runs.filter((run) => run.replay_of !== null);
  if (reruns.length > load.reruns.length)
    accuse("doubled", `${reruns.length} reruns for ${load.reruns.length} requests`);
  for (const { runId } of load.reruns)
    if (runId !== undefined && !known.has(runId))
      accuse("lost", `rerun ${runId}, which was answered, is gone`);
  const steps = new Map(rows.steps.map((step) => [stepKey(step), step]));
  const children = groupBy(
    rows.runs.filter((run) => run.parent_run_id !== null),
    (run) => `${run.parent_run_id}/${run.parent_step_index}/${run.parent_item_index}`,
  );
  for (const [key, runs] of children) {
    const attempt = steps.get(key)?.attempt ?? 0;
    if (runs.length > attempt)
      accuse("doubled", `${key} has called ${runs.length} runs in ${attempt} attempts`);
  }
  for (const run of rows.runs) {
    if (isRunTerminal(run.status)) continue;
    accuse("stuck", `${describe(run)} is ${run.status} (${run.step_states})`);
    if (!/[qrw]/.test(run.step_states) && run.admitted_at !== null)
      accuse("I4", `${describe(run)} has nothing that leads on (${run.step_states})`);
  }
}

/** Every run ended as it had to. @returns how many gave a step up whose workers kept dying. */
function judgeEndings({ rows, load }: Evidence, accuse: Accuse): number {
  const stepsOf = groupBy(rows.steps, ({ run_id }) => run_id);
  const byId = new Map(rows.runs.map((run) => [run.id, run]));
  let givenUp = 0;
  for (const started of load.started) {
    const run = byId.get(started.runId ?? "");
    if (!run || !isRunTerminal(run.status)) continue;
    const { expected } = started.workflow;
    const isAsked = started.isCanceled && run.status === "canceled";
    const isRejected = load.rejected.has(run.id) && run.error?.code === "rejected";
    const isGivenUp = run.status === "failed" && hasLostWorkers(run, stepsOf, rows.runs);
    if (isGivenUp) givenUp += 1;
    if (run.status !== expected && !isAsked && !isRejected && !isGivenUp)
      accuse("ending", `${describe(run)} is ${run.status}, not ${expected}: ${JSON.stringify(run.error)}`);
    const last = rows.plans.get(run.version_id)?.steps.at(-1);
    const isCleaned = last?.phase !== "finally" || run.step_states.at(-1) === "s";
    if (!isCleaned && !started.isCanceled) accuse("ending", `${describe(run)} ended without its finally`);
  }
  return givenUp;
}

/** A step of the run, or of one that it called, had so many workers that died. */
function hasLostWorkers(
  run: RunRow,
  stepsOf: ReadonlyMap<string, readonly StepRow[]>,
  runs: readonly RunRow[],
): boolean {
  const own = stepsOf.get(run.id) ?? [];
  if (own.some((step) => step.status === "failed" && step.lost_count + 1 >= MAX_LOST_WORKERS)) return true;
  return runs.some((child) => child.parent_run_id === run.id && hasLostWorkers(child, stepsOf, runs));
}

/** A claim that was not on disk yet is at most so old when PostgreSQL dies; what it allowed may begin a little later. */
const UNSAVED_MS = 1200;
const WITNESSED = /^(step|flaky|slow|leaf|first|second|last|start|join|item|clean|mourn|script)/;

/** Every execution belongs to an attempt, and every success to an execution. @returns claims that died with PostgreSQL. */
function judgeExecutions({ rows, sightings, blows }: Evidence, accuse: Accuse): number {
  const crashes = blows.filter(({ kind }) => kind === "restartPostgres").map(({ at }) => at);
  const seen = groupBy(sightings, ({ runId, stepId, itemIndex }) => `${runId} ${stepId} ${itemIndex}`);
  let lostClaims = 0;
  for (const step of rows.steps) {
    const key = `${step.run_id} ${step.step_id} ${step.item_index}`;
    const executions = seen.get(key) ?? [];
    seen.delete(key);
    const isRun = step.status === "succeeded" && !step.is_reused && WITNESSED.test(step.step_id);
    const isItems = rows.steps.length > 0 && step.item_index < 0 && isFanOut(rows, step);
    if (isRun && !isItems && executions.length === 0) accuse("missed", `${key} succeeded, and nobody saw it`);
    const excess = executions.length - step.attempt;
    if (excess <= 0 || step.is_reused) continue;
    const unsaved = executions.filter(({ at }) =>
      crashes.some((crash) => Math.abs(at - crash) < UNSAVED_MS),
    ).length;
    if (unsaved >= excess) lostClaims += excess;
    else
      accuse("again", `${key}: ${executions.length} executions in ${step.attempt} attempts (${step.status})`);
  }
  for (const key of seen.keys()) accuse("again", `${key} was executed, and has no row`);
  return lostClaims;
}

function isFanOut({ plans }: ChaosRows, step: StepRow): boolean {
  for (const plan of plans.values()) {
    const known = plan.steps[step.step_index];
    if (known?.id === step.step_id && known.forEach !== undefined) return true;
  }
  return false;
}

function judgeSlots({ runs, steps }: ChaosRows, accuse: Accuse): void {
  const ended = new Set(runs.filter((run) => isRunTerminal(run.status)).map(({ id }) => id));
  for (const run of runs)
    if (run.has_admission) accuse("slots", `${describe(run)} has a decision that nobody applied`);
  for (const step of steps) {
    const name = stepKey(step);
    if (isStepTerminal(step.status) && step.has_lease) accuse("slots", `${name} has ended and has a lease`);
    if (ended.has(step.run_id) && !isStepTerminal(step.status))
      accuse("slots", `${name} is ${step.status} in a run that has ended`);
  }
}

/** Names a run for people. */
export function describe({ id, workflow_name }: RunRow): string {
  return `run ${id} (${workflow_name})`;
}

/** Names a step run. */
export function stepKey({
  run_id,
  step_index,
  item_index,
}: Pick<StepRow, "run_id" | "step_index" | "item_index">) {
  return `${run_id}/${step_index}/${item_index}`;
}
