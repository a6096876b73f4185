import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { advance, beginRun } from "../../src/core/advance.js";
import { newId } from "../../src/core/ids.js";
import type { RunPlan } from "../../src/core/plan.js";
import type { Transition } from "../../src/core/transition.js";
import { applyBatch, type FlushItem, type Judge } from "../../src/services/engine/apply-batch.js";
import { loadState } from "../../src/services/engine/load-state.js";
import { Database } from "../simulation/database.js";
import { EventLoop } from "../simulation/event-loop.js";
import { drawLibrary } from "../simulation/random-plan.js";
import { Random } from "../simulation/random.js";
import type { RunTables, Tables } from "../simulation/tables.js";
import { drawBatch } from "../support/random-transitions.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1);
const FLUSHES = 60;
const TWO_HOURS_MS = 7_200_000;

const RUN_COLUMNS =
  "id, workflow_id, workflow_version_id, trigger, replay_of, parent_run_id, parent_step_index, parent_item_index, depth, priority, concurrency_key, rate_key, status, step_states, last_seq, flow, error, ending, output, admission";
const RUN_TIMES = ["available_at", "started_at", "finished_at", "deadline_at", "admitted_at"];
const STEP_COLUMNS =
  "run_id, step_index, item_index, step_id, queue_timeout_seconds, status, attempt, lost_count, released_count, lease_token, worker_id, output, error, items_total, items_next, items_ended, items_failed, child_run_id, approval";
const STEP_TIMES = ["available_at", "checked_at", "due_at", "finished_at"];

const KINDS: readonly (Transition["kind"] | "create")[] = [
  ...([
    "create",
    "claim",
    "perform",
    "skip",
    "failQueued",
    "expand",
    "join",
    "hold",
    "suspend",
    "wake",
    "decide",
  ] as const),
  ...([
    "call",
    "return",
    "pause",
    "succeed",
    "fail",
    "report",
    "lose",
    "release",
    "admit",
    "cancel",
  ] as const),
  ...(["expire", "close"] as const),
];

type Row = Readonly<Record<string, unknown>>;

/**
 * The simulator has a model of the engine's statements of its own. Here the same random transitions go through it and
 * through PostgreSQL, flush by flush, and must leave the same rows: what the simulator shows is then shown of the engine.
 */
describe("the statements of the simulator", () => {
  let database: TestDatabase;
  let pool: pg.Pool;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
  });
  afterAll(async () => {
    await pool?.end();
    await database?.drop();
  });

  /** What was accepted, over all seeds. */
  const accepted = new Set<string>();

  it.each(SEEDS)("leave the rows that PostgreSQL's do, seed %d", async (seed) => {
    const random = new Random(seed);
    const plans = await savePlans(random);
    const judge: Judge = { advance, beginRun, random: () => 0.5 };
    const loop = new EventLoop();
    const simulated = new Database({ loop, plans, judge, onFlush: () => undefined });
    for (let flush = 1; flush <= FLUSHES; flush += 1) {
      if (random.chance(0.2)) await letTimePass(simulated.tables);
      const batch = drawBatch(random, simulated.tables, plans);
      const real = await commit(batch, plans, judge);
      loop.now = real.nowMs;
      const { outcomes, committed } = simulated.commit(batch);
      for (const [index, { work }] of batch.entries())
        if (!outcomes[index]?.refusal) accepted.add("create" in work ? "create" : work.transition.kind);
      const told = `seed ${seed}, flush ${flush}: ${batch.map(nameOf).join(", ")}`;
      expect({ told, outcomes: outcomes.map(withoutWait) }).toEqual({
        told,
        outcomes: real.outcomes.map(withoutWait),
      });
      expect(committed.map(({ dispatches, flow, status }) => ({ dispatches, flow, status }))).toEqual(
        real.committed.map(({ dispatches, flow, status }) => ({ dispatches, flow, status })),
      );
      for (const runId of new Set(batch.map((item) => item.runId))) {
        const expected = await readRun(runId);
        expect({ told, ...showRun(simulated.tables.runs.get(runId)) }).toEqual({ told, ...expected });
      }
    }
  });

  it("were asked for every kind of transition", () => {
    expect([...accepted].sort()).toEqual([...KINDS].sort());
  });

  /** Delays and waits are hours: whether they are over does not hang on a millisecond. */
  async function savePlans(random: Random): Promise<Map<string, RunPlan>> {
    const plans = new Map<string, RunPlan>();
    for (const plan of drawLibrary(random).plans.values()) {
      const id = newId();
      const steps = plan.steps.map((step) => {
        const delaySeconds = random.pick([0, 3600]);
        return { ...step, retry: { ...step.retry, delaySeconds, maxDelaySeconds: 3600, jitter: false } };
      });
      plans.set(id, { ...plan, steps });
      await database
        .knex("workflow_versions")
        .insert({ id, name: "simulated", version: 1, definition: "{}", plan: "{}" });
    }
    return plans;
  }

  /** As the group commit does it. */
  async function commit(batch: readonly FlushItem[], plans: ReadonlyMap<string, RunPlan>, judge: Judge) {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const { rows } = await client.query<{ now: string }>("SELECT extract(epoch FROM now()) * 1000 AS now");
      const transitions = batch.flatMap(({ runId, work }) =>
        "transition" in work ? [{ runId, transition: work.transition }] : [],
      );
      const applied = applyBatch(batch, await loadState(client, transitions, plans), plans, judge);
      for (const statement of applied.batch.statements())
        await client.query({ text: statement.text, values: [...statement.values] });
      await client.query("COMMIT");
      return { ...applied, nowMs: Number(rows[0]?.now) };
    } finally {
      client.release();
    }
  }

  async function letTimePass(tables: Tables): Promise<void> {
    await pool.query(
      "UPDATE step_runs SET available_at = available_at - interval '2 hours', due_at = due_at - interval '2 hours'",
    );
    for (const { steps } of tables.runs.values())
      for (const row of steps.values()) {
        if (row.available_at !== null) row.available_at -= TWO_HOURS_MS;
        if (row.due_at !== null) row.due_at -= TWO_HOURS_MS;
      }
  }

  async function readRun(runId: string) {
    const times = (names: readonly string[]) =>
      names.map((name) => `(extract(epoch FROM ${name}) * 1000)::float8 AS ${name}`).join(", ");
    const read = async (text: string) => (await pool.query<Row>(text, [runId])).rows;
    const [run] = await read(`SELECT ${RUN_COLUMNS}, ${times(RUN_TIMES)} FROM workflow_runs WHERE id = $1`);
    const steps = await read(
      `SELECT ${STEP_COLUMNS}, ${times(STEP_TIMES)} FROM step_runs WHERE run_id = $1 ORDER BY step_index, item_index`,
    );
    const events = await read(
      "SELECT seq::int, type, step_id, item_index, attempt, data FROM run_events WHERE run_id = $1 ORDER BY seq",
    );
    const items = await read(
      `SELECT step_index, jsonb_agg(item ORDER BY chunk, at) AS items
       FROM step_items, jsonb_array_elements(items) WITH ORDINALITY AS each (item, at)
       WHERE run_id = $1 GROUP BY step_index ORDER BY step_index`,
    );
    const attempts = await read(
      "SELECT step_index, item_index, attempt, worker_id, error FROM step_attempts WHERE run_id = $1 ORDER BY 1, 2, 3",
    );
    return {
      run: run && { ...rounded(run, RUN_TIMES), last_seq: Number(run["last_seq"]) },
      steps: steps.map((row) => rounded(row, STEP_TIMES)),
      events,
      items,
      attempts,
    };
  }
});

/** A simulated run in the same shape. */
function showRun(run: RunTables | undefined) {
  if (!run) return { run: undefined, steps: [], events: [], items: [], attempts: [] };
  const steps = [...run.steps.values()].sort(
    (one, other) => one.step_index - other.step_index || one.item_index - other.item_index,
  );
  return {
    run: rounded(only({ ...run.row }, RUN_COLUMNS, RUN_TIMES), RUN_TIMES),
    steps: steps.map((row) => rounded(only({ ...row }, STEP_COLUMNS, STEP_TIMES), STEP_TIMES)),
    events: run.events.map((event) => ({ ...event, data: JSON.parse(event.data) as unknown })),
    items: [...run.items]
      .filter(([, items]) => items.length > 0)
      .sort(([one], [other]) => one - other)
      .map(([step_index, items]) => ({ step_index, items })),
    attempts: steps.flatMap((step) =>
      [...(run.attempts.get(keyIn(run, step)) ?? [])]
        .sort(([one], [other]) => one - other)
        .map(([attempt, kept]) => ({
          step_index: step.step_index,
          item_index: step.item_index,
          attempt,
          ...kept,
        })),
    ),
  };
}

/** The columns that are compared: rows of the simulator carry a few that it was given and does not keep as such. */
function only(row: Row, columns: string, times: readonly string[]): Row {
  return Object.fromEntries([...columns.split(", "), ...times].map((name) => [name, row[name]]));
}

function keyIn({ steps }: RunTables, wanted: object): number {
  for (const [key, row] of steps) if (row === wanted) return key;
  throw new Error("no such row");
}

/** Times to the millisecond: numbers hold no more of the database's microseconds. */
function rounded(row: Row, times: readonly string[]): Row {
  const known = times.map((name) => [name, row[name] == null ? null : Math.round(Number(row[name]))]);
  return { ...row, ...Object.fromEntries(known) };
}

function withoutWait<Outcome extends { refusal?: { reason: string } }>(outcome: Outcome) {
  return { ...outcome, refusal: outcome.refusal?.reason };
}

function nameOf({ runId, work }: FlushItem): string {
  const what =
    "create" in work
      ? "create"
      : `${work.transition.kind}${"stepIndex" in work.transition ? ` ${work.transition.stepIndex}/${work.transition.itemIndex}` : ""}`;
  return `${what} of ${runId.slice(-4)}`;
}
