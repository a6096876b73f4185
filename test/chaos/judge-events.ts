import { groupBy } from "../../src/queues/group-by.js";
import { isRunTerminal } from "../../src/core/statuses.js";
import type { ChaosFollower } from "./chaos-follower.js";
import type { EventRow, RunRow, StepRow } from "./chaos-rows.js";
import { type Accuse, type Evidence, describe } from "./chaos-verdict.js";

const STEP_END = /^step\.(succeeded|failed|skipped|canceled)$/;
const RUN_END = /^run\.(succeeded|failed|canceled)$/;

/** What the events of every run say: their numbers, their order, and what followers had of them. */
export function judgeEvents({ rows, followers }: Evidence, accuse: Accuse): void {
  const eventsOf = groupBy(rows.events, ({ run_id }) => run_id);
  const stepsOf = groupBy(rows.steps, ({ run_id }) => run_id);
  for (const run of rows.runs) {
    const events = eventsOf.get(run.id) ?? [];
    judgeNumbers(run, events, accuse);
    judgeSteps(run, events, stepsOf.get(run.id) ?? [], accuse);
    judgeOrder(run, events, rows.plans.get(run.version_id)?.steps ?? [], accuse);
  }
  for (const follower of followers) judgeFollower(follower, eventsOf.get(follower.runId) ?? [], accuse);
}

function judgeNumbers(run: RunRow, events: readonly EventRow[], accuse: Accuse): void {
  const wrong = events.find((event, index) => event.seq !== index + 1);
  if (wrong) accuse("events", `${describe(run)}: number ${wrong.seq} out of place`);
  if (run.last_seq !== events.length)
    accuse("events", `${describe(run)}: last_seq ${run.last_seq}, ${events.length} events`);
  const ends = events.filter(({ type }) => RUN_END.test(type));
  if (!isRunTerminal(run.status)) return;
  if (ends.length !== 1) accuse("events", `${describe(run)}: ${ends.length} events of its end`);
  else if (ends[0] !== events.at(-1)) accuse("I3", `${describe(run)}: events after its end`);
  if (ends[0] && ends[0].type !== `run.${run.status}`)
    accuse("events", `${describe(run)} is ${run.status}, its event says ${ends[0].type}`);
}

/** Each step's own events: attempts follow on each other, it ends once, nothing comes after. */
function judgeSteps(
  run: RunRow,
  events: readonly EventRow[],
  steps: readonly StepRow[],
  accuse: Accuse,
): void {
  const own = groupBy(
    events.filter(({ step_id }) => step_id !== null),
    ({ step_id, item_index }) => `${step_id}/${item_index ?? -1}`,
  );
  for (const step of steps) {
    const key = `${step.step_id}/${step.item_index}`;
    const mine = own.get(key) ?? [];
    const name = `${describe(run)} ${key}`;
    const end = mine.findIndex(({ type }) => STEP_END.test(type));
    const after = end < 0 ? [] : mine.slice(end + 1);
    const hasSucceeded = mine[end]?.type === "step.succeeded";
    const starts = after.filter(({ type }) => type === "step.started" || type === "step.queued");
    if (hasSucceeded && starts.length > 0) accuse("I1", `${name} started again after it had succeeded`);
    if (after.some(({ type }) => STEP_END.test(type))) accuse("I2", `${name} ended twice`);
    else if (after.length > 0) accuse("I3", `${name}: ${after[0]?.type} after its end`);
    if (step.is_reused) continue;
    if (step.kept_attempts !== step.attempt - 1)
      accuse("I2", `${name} keeps ${step.kept_attempts} attempts before number ${step.attempt}`);
    const started = mine.filter(({ type }) => type === "step.started").map(({ attempt }) => attempt);
    if (new Set(started).size < started.length)
      accuse("I2", `${name} started an attempt twice: ${started.join()}`);
  }
}

/** Nothing is queued before what it waits for has ended. */
function judgeOrder(
  run: RunRow,
  events: readonly EventRow[],
  plan: readonly { readonly id: string; readonly dependencies: readonly number[] }[],
  accuse: Accuse,
): void {
  const endedAt = new Map<string, number>();
  for (const event of events) {
    if (event.step_id === null || event.item_index !== null) continue;
    if (STEP_END.test(event.type)) endedAt.set(event.step_id, event.seq);
    if (event.type !== "step.queued") continue;
    const step = plan.find(({ id }) => id === event.step_id);
    const early =
      step?.dependencies.map((index) => plan[index]?.id ?? "").filter((id) => !endedAt.has(id)) ?? [];
    if (early.length > 0)
      accuse("I6", `${describe(run)} ${event.step_id} was queued before ${early.join(", ")}`);
  }
}

function judgeFollower(follower: ChaosFollower, events: readonly EventRow[], accuse: Accuse): void {
  const { runId, received, isDone } = follower;
  if (!isDone) accuse("followers", `${runId}: its follower was never told of the end`);
  for (const [index, event] of events.entries()) {
    const had = received[index];
    const isSame =
      had?.seq === event.seq && had.type === event.type && had.stepId === (event.step_id ?? undefined);
    if (isSame) continue;
    const shown = had ? `${had.seq} ${had.type} ${had.stepId ?? ""}` : "nothing";
    accuse(
      "followers",
      `${runId}: event ${event.seq} is ${event.type} ${event.step_id ?? ""}, received ${shown}`,
    );
    return;
  }
  if (received.length > events.length)
    accuse("followers", `${runId}: ${received.length} events received of ${events.length}`);
}
