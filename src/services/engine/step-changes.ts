import { newId } from "../../core/ids.js";
import type { RunPlan } from "../../core/plan.js";
import { stepAt } from "../../core/settle.js";
import type { StepChange } from "../../core/transition.js";
import * as sql from "./engine-statements.js";
import { json, Rows } from "./flush-rows.js";

/** Items to a row of `step_items`. */
export const ITEMS_PER_CHUNK = 100;

type ChangeOf<Type extends StepChange["type"]> = Extract<StepChange, { type: Type }>;
/** The columns of START_STEPS. */
interface StartedStep {
  readonly row: unknown[];
  isRead: boolean;
}
type RunOfChange = { readonly id: string; readonly plan: RunPlan; readonly priority: number };

/** The changes to step rows of one flush, each kind in the columns of its statement. */
export class StepChanges {
  /** By key: those that end in the same flush are written by the statement of their end. */
  readonly #starts = new Map<string, StartedStep>();
  readonly #ends = new Rows(11);
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
      [sql.START_STEPS, toRows(this.#startRows(), 6)],
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
      case "start": {
        const { token, workerId, sandboxLevel } = change;
        this.#starts.set(key.join("/"), { row: [...key, token, workerId, sandboxLevel], isRead: false });
        return;
      }
      case "queue": {
        this.#keepStart(key);
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
        this.#keepStart(key);
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
        this.#keepStart(key);
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

  /** A later statement reads what the start writes. */
  #keepStart(key: readonly [string, number, number]): void {
    const start = this.#starts.get(key.join("/"));
    if (start) start.isRead = true;
  }

  #startRows(): Map<string, unknown[]> {
    return new Map([...this.#starts].map(([key, { row }]) => [key, row]));
  }

  #addEnd(runId: string, change: ChangeOf<"end">): void {
    const key = [runId, change.stepIndex, change.itemIndex].join("/");
    const start = this.#starts.get(key);
    const isFolded = start !== undefined && !start.isRead;
    if (isFolded) this.#starts.delete(key);
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
      isFolded ? start.row[4] : null,
      isFolded ? start.row[5] : null,
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
