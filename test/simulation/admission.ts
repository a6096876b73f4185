import { type HeldRun, judgeAdmission, type Slots } from "../../src/core/admission.js";
import type { CommittedRun } from "../../src/services/engine/apply-batch.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { closeRun } from "./follow-outcome.js";
import type { SimProcess } from "./process.js";
import type { RunRow } from "./tables.js";
import type { Task } from "./task.js";

/** As `admission.ts` does with a new run: held, when its workflow limits its runs. */
export function prepareAdmission(process: SimProcess, run: NewRun): NewRun {
  if (!process.world.plans.get(run.versionId)?.concurrency) return run;
  return { ...run, admission: { concurrencyKey: "all" }, isHeld: true };
}

/** Gives a workflow's held runs their chance, when one that has a slot ends. */
export function followAdmission(process: SimProcess, run: CommittedRun): Task<void> | undefined {
  const isEnded = run.status === "succeeded" || run.status === "failed" || run.status === "canceled";
  if (!isEnded || run.concurrencyKey === null || run.workflowId === null) return undefined;
  return takeTurn(process, run.workflowId);
}

/** Applies what a dead process has decided, and gives every held run its chance. */
export function* sweepAdmissions(process: SimProcess): Task<void> {
  const rows = [...process.world.database.tables.runs.values()].map(({ row }) => row);
  yield* applyStored(
    process,
    rows.filter((row) => row.admission !== null),
  );
  const waiting = new Set(rows.filter(isHeld).flatMap((row) => row.workflow_id ?? []));
  for (const workflowId of waiting) yield* takeTurn(process, workflowId);
}

/** Admitted or refused in one transaction under the workflow's lock, applied after it. */
export function* takeTurn(process: SimProcess, workflowId: string): Task<void> {
  const { loop, plans } = process.world;
  const rows = [...process.world.database.tables.runs.values()]
    .map(({ row }) => row)
    .filter((row) => row.workflow_id === workflowId && row.concurrency_key !== null);
  const held = rows.filter((row) => isHeld(row) && row.admission === null && row.available_at <= loop.now);
  if (held.length === 0) return;
  const { verdicts, stopped } = judgeAdmission({
    lines: [
      {
        concurrencyKey: "all",
        rateKey: "",
        lastAdmittedMs: null,
        runs: held.map((row): HeldRun => {
          const concurrency = plans.get(row.workflow_version_id)?.concurrency;
          return { id: row.id, versionId: row.workflow_version_id, priority: row.priority, concurrency };
        }),
        isCut: false,
      },
    ],
    slots: new Map([["all", countSlots(rows)]]),
    windows: [],
  });
  const decided = verdicts.flatMap(({ runId, ...admission }) => {
    const row = held.find(({ id }) => id === runId);
    if (!row) return [];
    row.admission = admission;
    if (admission.kind === "admit") row.admitted_at = loop.now;
    process.world.trace(() => `${process.name} decides on ${runId}: ${admission.kind}`);
    return [row];
  });
  yield* applyStored(process, decided);
  for (const { id, reason } of stopped) yield* process.apply(id, { kind: "cancel", reason, ifEnding: null });
}

function countSlots(rows: readonly RunRow[]): Slots {
  const taken = rows.filter((row) => row.admitted_at !== null && row.finished_at === null);
  const holders = taken.filter((row) => row.ending === null);
  return {
    taken: taken.length,
    active: holders.length,
    holders: holders.map(({ id, workflow_version_id: versionId }) => ({ id, versionId })),
  };
}

function* applyStored(process: SimProcess, rows: readonly RunRow[]): Task<void> {
  for (const row of rows) {
    if (!row.admission) continue;
    const outcome = yield* process.apply(row.id, row.admission);
    if (outcome.isClosing) yield* closeRun(process, row.id);
    row.admission = null;
  }
}

function isHeld(row: RunRow): boolean {
  return row.admitted_at === null && row.finished_at === null;
}
