import { randomUUID } from "node:crypto";
import { newId } from "../../src/core/ids.js";
import { planReuse } from "../../src/core/plan-reuse.js";
import type { RunPlan } from "../../src/core/plan.js";
import { isRunTerminal } from "../../src/core/statuses.js";
import type { FreeWorker, Hold, Transition } from "../../src/core/transition.js";
import type { FlushItem } from "../../src/services/engine/apply-batch.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import type { Random } from "../simulation/random.js";
import type { RunTables, StepRow, Tables } from "../simulation/tables.js";

const HOUR_MS = 3_600_000;
const MOST_RUNS = 6;

type Plans = ReadonlyMap<string, RunPlan>;

/**
 * What may reach the group commit at one moment: new runs, and transitions that mostly fit what the rows say. No two
 * are about one row, since whoever works on a row waits for each commit.
 */
export function drawBatch(random: Random, tables: Tables, plans: Plans): FlushItem[] {
  const batch: FlushItem[] = [];
  const taken = new Set<string>();
  const count = random.int(1, 4);
  for (let number = 0; number < count; number += 1) {
    const runs = [...tables.runs.values()];
    const isNew = runs.length === 0 || (runs.length < MOST_RUNS && random.chance(0.12));
    const item = isNew ? drawStart(random, tables, plans) : drawStep(random, random.pick(runs), plans, taken);
    if (item) batch.push(item);
  }
  return batch.length > 0 ? batch : [drawStart(random, tables, plans)];
}

function draftRun(random: Random, versionId: string): NewRun {
  return {
    id: newId(),
    workflowId: random.chance(0.5) ? randomUUID() : null,
    versionId,
    workflowName: "simulated",
    workflowVersion: 1,
    trigger: random.pick(["api", "schedule"]),
    input: {},
    labels: {},
    priority: random.int(-2, 2),
    delayMs: random.chance(0.1) ? HOUR_MS : 0,
    createdBy: null,
    createdByName: "simulation",
    ...(random.chance(0.2) ? { admission: { concurrencyKey: "k", rateKey: "r" } } : {}),
    ...(random.chance(0.1) ? { isHeld: true } : {}),
  };
}

function drawStart(random: Random, tables: Tables, plans: Plans): FlushItem {
  const ended = [...tables.runs.values()].filter(({ row }) => isRunTerminal(row.status));
  const old = ended.length > 0 && random.chance(0.6) ? random.pick(ended).row : undefined;
  const versionId = old?.workflow_version_id ?? random.pick([...plans.keys()]);
  const plan = plans.get(versionId) as RunPlan;
  const run = draftRun(random, versionId);
  if (!old) return { runId: run.id, versionId, work: { create: run } };
  const from = random.chance(0.5) ? random.int(0, plan.steps.length - 1) : undefined;
  const steps = planReuse({ before: plan, states: old.step_states, plan, from });
  const reused = steps.size > 0 ? { reused: { fromRunId: old.id, steps } } : {};
  return { runId: run.id, versionId, work: { create: { ...run, replayOf: old.id, ...reused } } };
}

function drawStep(random: Random, run: RunTables, plans: Plans, taken: Set<string>): FlushItem | undefined {
  const { id: runId, workflow_version_id: versionId } = run.row;
  const plan = plans.get(versionId) as RunPlan;
  const isToClose = !/[pqrw]/.test(run.row.step_states) && !isRunTerminal(run.row.status);
  if (isToClose || random.chance(0.08)) {
    const transition = drawOfRun(random, run);
    // a stop touches every row of its run
    if (taken.has(runId) || [...taken].some((key) => key.startsWith(`${runId}/`))) return undefined;
    taken.add(runId);
    return { runId, versionId, work: { transition } };
  }
  const open = [...run.steps.values()].filter(({ status }) => /queued|running|waiting/.test(status));
  const rows = open.length > 0 && random.chance(0.95) ? open : [...run.steps.values()];
  const row = random.pick(rows);
  // of a forEach one item, or the whole, moves at a time
  const key = `${runId}/${row.step_index}`;
  if (taken.has(key) || taken.has(runId)) return undefined;
  taken.add(key);
  const transition = drawOfStep(random, row, plan, run);
  if (transition.kind !== "call") return { runId, versionId, work: { transition } };
  const parent = { runId, stepIndex: row.step_index, itemIndex: row.item_index };
  const child = { ...draftRun(random, random.pick([...plans.keys()])), id: transition.childRunId, parent };
  return { runId, versionId, work: { transition, child } };
}

function drawOfRun(random: Random, { row }: RunTables): Transition {
  if (row.admitted_at === null && random.chance(0.6)) return { kind: "admit" };
  if (!/[pqrw]/.test(row.step_states)) return { kind: "close", output: { closed: true } };
  const error = { code: "timeout", message: "too long" } as const;
  return random.chance(0.7)
    ? { kind: "cancel", ...(random.chance(0.3) ? { reason: "a newer one", ifEnding: null } : {}) }
    : { kind: "expire", error, ifEnding: row.ending };
}

function drawOfStep(random: Random, row: StepRow, plan: RunPlan, run: RunTables): Transition {
  const key = { stepIndex: row.step_index, itemIndex: row.item_index };
  const attempt = random.chance(0.95) ? row.attempt : row.attempt + 1;
  const error = { code: "script_error", message: "no", details: { at: row.step_index } } as const;
  if (run.row.admitted_at === null && row.status === "pending") return { kind: "admit" };
  if (row.status === "queued" || row.status === "pending")
    return drawBeginning(random, { ...key, attempt }, plan, row);
  if (row.child_run_id !== null && random.chance(0.8)) {
    if (random.chance(0.2)) return { kind: "wake", ...key };
    const status = random.pick(["succeeded", "failed", "canceled"] as const);
    const output = status === "succeeded" ? { child: 1 } : null;
    const failure = status === "failed" ? error : null;
    return { kind: "return", ...key, childRunId: row.child_run_id, status, output, error: failure };
  }
  if (row.items_total !== null && row.item_index < 0)
    return { kind: "join", ...key, output: [1, 2], ...(random.chance(0.2) ? { error } : {}) };
  if (row.status === "waiting" && row.lease_token === null) {
    if (random.chance(0.4)) return { kind: "wake", ...key };
    const decision = random.chance(0.8) ? ("approve" as const) : ("reject" as const);
    const userId = random.pick(["u1", "u2", "u3"]);
    return {
      kind: "decide",
      ...key,
      decision: { decision, userId, name: userId, at: "2026-11-28T10:00:00Z" },
    };
  }
  const token = random.chance(0.97) && row.lease_token !== null ? row.lease_token : randomUUID();
  return drawFenced(random, { ...key, token });
}

function drawBeginning(
  random: Random,
  key: { stepIndex: number; itemIndex: number; attempt: number },
  plan: RunPlan,
  row: StepRow,
): Transition {
  const step = plan.steps[row.step_index];
  if (step?.forEach && row.item_index < 0 && random.chance(0.9)) {
    const items = Array.from({ length: random.pick([0, 1, 3, 5, 130]) }, (_, item) => ({ item }));
    return { kind: "expand", ...key, items };
  }
  const target = step?.target;
  if (target?.kind === "workflow")
    return {
      kind: "call",
      ...key,
      childRunId: newId(),
      inputs: { a: 1 },
      ...(random.chance(0.5) ? { timeoutSeconds: 3600 } : {}),
    };
  if (target?.kind === "builtin" && target.name !== "noop")
    return { kind: "hold", ...key, hold: drawHold(random, target.name === "approval") };
  const error = { code: "invalid_input", message: "no such field" } as const;
  const kind = random.weighted({ claim: 60, perform: 28, skip: 6, failQueued: 6 });
  const worker = { token: randomUUID(), workerId: randomUUID(), sandboxLevel: "none" };
  if (kind === "claim") return { kind, ...key, ...worker };
  if (kind === "perform") {
    const next = random.chance(0.7) ? { next: drawFreeWorker(random) } : {};
    return { kind, ...key, ...worker, inputs: { p: 1 }, output: { by: worker.token }, ...next };
  }
  return kind === "skip" ? { kind, ...key } : { kind, ...key, error };
}

function drawHold(random: Random, isApproval: boolean, isGrant = false): Hold {
  const approval = {
    roles: ["operator" as const],
    users: [],
    required: random.int(1, 2),
    allowSelfApproval: true,
    onExpiry: random.pick(["reject", "approve", "fail"] as const),
    decisions: [],
    ...(isGrant ? { grants: ["budget"] } : {}),
  };
  const due = random.chance(0.5)
    ? { dueMs: HOUR_MS }
    : random.chance(0.5)
      ? { dueAt: "2040-01-01T00:00:00.000Z" }
      : {};
  const reason = isGrant ? "budget" : isApproval ? "approval" : "wait";
  return {
    ...due,
    ...(isApproval ? { approval } : {}),
    waitingFor: { reason, detail: "d" },
    inputs: { a: 1 },
  } as Hold;
}

function drawFreeWorker(random: Random): FreeWorker {
  const token = randomUUID();
  const isPerforming = random.chance(0.5);
  return {
    ...{ token, workerId: randomUUID(), sandboxLevel: "none", accepts: () => true },
    perform: ({ index }) =>
      isPerforming && index % 2 === 0 ? { inputs: { p: index }, output: { by: token } } : undefined,
  };
}

function drawFenced(
  random: Random,
  key: { stepIndex: number; itemIndex: number; token: string },
): Transition {
  const error = { code: "script_error", message: "no" } as const;
  const kind = random.weighted({
    succeed: 50,
    fail: 15,
    report: 8,
    lose: 7,
    release: 5,
    suspend: 8,
    pause: 7,
  });
  switch (kind) {
    case "succeed": {
      const next = drawFreeWorker(random);
      return {
        kind,
        ...key,
        output: { by: key.token },
        isCacheHit: random.chance(0.2),
        ...(random.chance(0.5) ? { next } : {}),
        ...(random.chance(0.5) ? { inputs: { b: 2 } } : {}),
      };
    }
    case "fail":
      return { kind, ...key, error, isRetryable: random.chance(0.8) };
    case "report":
      return { kind, ...key, events: [{ type: "step.log", data: { lines: [] } }], inputs: { c: 3 } };
    case "suspend":
      return {
        kind,
        ...key,
        hold: { dueMs: HOUR_MS, waitingFor: { reason: "submit", detail: "app" }, inputs: {} },
      };
    case "pause":
      return { kind, ...key, hold: drawHold(random, true, true) };
    default:
      return { kind, ...key };
  }
}
