import { newId } from "../../core/ids.js";
import type { RunPlan } from "../../core/plan.js";
import { stepAt } from "../../core/settle.js";
import type { StepChange } from "../../core/transition.js";
import * as sql from "./engine-statements.js";
import { json, Rows } from "./flush-rows.js";

/** Items to a row of `step_items`. */
export const ITEMS_PER_CHUNK = 100;

type ChangeOf<Type extends StepChange["type"]> = Extract<StepChange, { type: Type }>;
type RunOfChange = { readonly id: string; readonly plan: RunPlan; readonly priority: number };

/** The changes to step rows of one flush, each kind in the columns of its statement. */
export class StepChanges {
  readonly #starts = new Rows(6);
  readonly #ends = new Rows(9);
  readonly #archives = new Rows(4);
  readonly #queues = new Rows(7);
  readonly #inputs = new Rows(4);
  readonly #items = new Rows(11);
  readonly #chunks = new Rows(4);
  readonly #cancels = new Rows(3);
  readonly #holds = new Rows(8);
  readonly #calls = new Rows(6);
  /** By key: only what the last transition of the flush left is written. */
  readonly #fanOuts = new Map<string, unknown[]>();
  readonly #approvals = new Map<string, unknown[]>();

  /** The statements with their rows, in the order in which they must run. */
  statements(): [{ name: string; text: string }, Rows][] {
    return [
      [sql.INSERT_ITEM_CHUNKS, this.#chunks],
      [sql.INSERT_ITEMS, this.#items],
      [sql.START_STEPS, this.#starts],
      [sql.RECORD_INPUTS, this.#inputs],
      [sql.HOLD_STEPS, this.#holds],
      [sql.CALL_RUNS, this.#calls],
      [sql.RECORD_APPROVALS, toRows(this.#approvals, 4)],
      [sql.ARCHIVE_ATTEMPTS, this.#archives],
      [sql.QUEUE_STEPS, this.#queues],
      [sql.COUNT_ITEMS, toRows(this.#fanOuts, 8)],
      [sql.END_STEPS, this.#ends],
      [sql.CANCEL_ITEMS, this.#cancels],
    ];
  }

  add(run: RunOfChange, change: StepChange): void {
    const { stepIndex, itemIndex } = change;
    const key = [run.id, stepIndex, itemIndex] as const;
    switch (change.type) {
      case "start":
        return this.#starts.add(...key, change.token, change.workerId, change.sandboxLevel);
      case "queue": {
        const { attempt, lostCount, releasedCount, delayMs } = change;
        return this.#queues.add(...key, attempt, lostCount, releasedCount, delayMs);
      }
      case "addItem":
        return this.#addItem(run, change);
      case "end":
        return this.#addEnd(run.id, change);
      case "cancelItems":
        return this.#cancels.add(run.id, stepIndex, json(change.error));
      case "expand":
        return this.#addChunks(run.id, change);
      case "fanOut": {
        const { total, next, ended, failed, error } = change.fanOut;
        this.#fanOuts.set(key.join("/"), [...key, total, next, ended, failed, json(error)]);
        return;
      }
      case "hold": {
        const { inputs, approval, dueMs = null, dueAt = null, waitingFor } = change.hold;
        return this.#holds.add(...key, json(inputs), json(approval), dueMs, dueAt, json(waitingFor));
      }
      case "approval":
        this.#approvals.set(key.join("/"), [...key, json(change.approval)]);
        return;
      case "call":
        return this.#calls.add(...key, json(change.inputs), change.childRunId, change.timeoutSeconds ?? null);
      case "inputs":
        return this.#inputs.add(...key, json(change.inputs));
      case "archive":
        return this.#archives.add(...key, json(change.error));
    }
  }

  #addItem(run: RunOfChange, { stepIndex, itemIndex, start }: ChangeOf<"addItem">): void {
    const step = stepAt(run.plan, stepIndex);
    this.#items.add(
      run.id,
      stepIndex,
      itemIndex,
      newId(),
      step.id,
      step.workerGroup,
      step.priority || run.priority,
      step.queueTimeoutSeconds ?? null,
      start?.token ?? null,
      start?.workerId ?? null,
      start?.sandboxLevel ?? null,
    );
  }

  #addEnd(runId: string, change: ChangeOf<"end">): void {
    this.#ends.add(
      runId,
      change.stepIndex,
      change.itemIndex,
      change.status,
      change.output === undefined ? null : JSON.stringify(change.output),
      change.outputArtifactId ?? null,
      json(change.error),
      json(change.inputs),
      change.isCacheHit ?? false,
    );
  }

  #addChunks(runId: string, { stepIndex, items }: ChangeOf<"expand">): void {
    for (let at = 0; at < items.length; at += ITEMS_PER_CHUNK) {
      const chunk = items.slice(at, at + ITEMS_PER_CHUNK);
      this.#chunks.add(runId, stepIndex, at / ITEMS_PER_CHUNK, JSON.stringify(chunk));
    }
  }
}

function toRows(map: ReadonlyMap<string, unknown[]>, width: number): Rows {
  const rows = new Rows(width);
  for (const values of map.values()) rows.add(...values);
  return rows;
}
