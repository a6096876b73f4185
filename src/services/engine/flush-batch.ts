import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import { lastSteps, type RunPlan } from "../../core/plan.js";
import { isRunTerminal, type RunError, type RunStatus } from "../../core/statuses.js";
import { type StepStates, statusOf } from "../../core/step-states.js";
import type { Advance, EventDraft, StepChange } from "../../core/transition.js";
import * as sql from "./engine-statements.js";

/** One named statement with its parameters. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What a new run's row holds beside what the engine works out. */
export interface NewRun {
  readonly id: string;
  readonly workflowId: string | null;
  readonly versionId: string;
  readonly workflowName: string;
  readonly workflowVersion: number;
  readonly trigger: string;
  readonly input: JsonValue;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly delayMs: number;
  readonly createdBy: string | null;
  readonly createdByName: string;
  readonly parentRunId?: string;
  readonly replayOf?: string;
}

/** A run while a flush works on it: read under its lock, or new. */
export interface RunInFlush {
  readonly id: string;
  readonly plan: RunPlan;
  readonly states: StepStates;
  readonly flow: number;
  readonly priority: number;
  readonly isNew: NewRun | undefined;
  status: RunStatus;
  error: RunError | null;
  lastSeq: number;
  hasStarted: boolean;
  output: JsonValue | undefined;
}

type Column = unknown[];

/** Columns of one statement, filled row by row. */
class Rows {
  readonly columns: Column[];

  constructor(width: number) {
    this.columns = Array.from({ length: width }, () => []);
  }

  add(...values: unknown[]): void {
    values.forEach((value, index) => this.columns[index]?.push(value));
  }

  get isEmpty(): boolean {
    return (this.columns[0]?.length ?? 0) === 0;
  }
}

function json(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

/** Everything that one flush writes, gathered transition by transition and written in one round trip. */
export class FlushBatch {
  readonly #runs = new Map<string, RunInFlush>();
  readonly #starts = new Rows(6);
  readonly #ends = new Rows(8);
  readonly #archives = new Rows(4);
  readonly #queues = new Rows(7);
  readonly #inputs = new Rows(4);
  readonly #events = new Rows(7);
  readonly #newSteps = new Rows(10);

  /** Takes over what a transition did to a run. */
  add(run: RunInFlush, result: Advance): void {
    this.#runs.set(run.id, run);
    run.status = result.status;
    run.error = result.error;
    run.hasStarted ||= result.hasStarted;
    if (result.ended) run.output = result.ended.output;
    for (const event of result.events) this.#addEvent(run, event);
    if (run.isNew) this.#addNewSteps(run, run.isNew, result);
    else for (const change of result.changes) this.#addChange(run.id, change);
  }

  /** The statements, in the order in which they must run within the transaction. */
  statements(): Statement[] {
    const runs = [...this.#runs.values()];
    const candidates: [{ name: string; text: string }, Rows][] = [
      [sql.INSERT_RUNS, newRunRows(runs.filter((run) => run.isNew))],
      [sql.INSERT_STEPS, this.#newSteps],
      [sql.START_STEPS, this.#starts],
      [sql.RECORD_INPUTS, this.#inputs],
      [sql.ARCHIVE_ATTEMPTS, this.#archives],
      [sql.QUEUE_STEPS, this.#queues],
      [sql.END_STEPS, this.#ends],
      [sql.INSERT_EVENTS, this.#events],
      [sql.UPDATE_RUNS, changedRunRows(runs.filter((run) => !run.isNew))],
    ];
    return candidates
      .filter(([, rows]) => !rows.isEmpty)
      .map(([statement, rows]) => ({ ...statement, values: rows.columns }));
  }

  #addEvent(run: RunInFlush, event: EventDraft): void {
    run.lastSeq += 1;
    const { type, stepId = null, itemIndex = null, attempt = null, data } = event;
    this.#events.add(run.id, run.lastSeq, type, stepId, itemIndex, attempt, json(data) ?? "{}");
  }

  #addChange(runId: string, change: StepChange): void {
    const { stepIndex, itemIndex } = change;
    switch (change.type) {
      case "start":
        return this.#starts.add(
          runId,
          stepIndex,
          itemIndex,
          change.token,
          change.workerId,
          change.sandboxLevel,
        );
      case "end":
        return this.#ends.add(
          runId,
          stepIndex,
          itemIndex,
          change.status,
          change.output === undefined ? null : JSON.stringify(change.output),
          change.outputArtifactId ?? null,
          json(change.error),
          json(change.inputs),
        );
      case "archive":
        return this.#archives.add(runId, stepIndex, itemIndex, json(change.error));
      case "queue": {
        const { attempt, lostCount, releasedCount, delayMs } = change;
        return this.#queues.add(runId, stepIndex, itemIndex, attempt, lostCount, releasedCount, delayMs);
      }
      case "inputs":
        return this.#inputs.add(runId, stepIndex, itemIndex, json(change.inputs));
    }
  }

  #addNewSteps(run: RunInFlush, isNew: NewRun, result: Advance): void {
    const errors = new Map(
      result.changes.flatMap((change) => (change.type === "end" ? [[change.stepIndex, change.error]] : [])),
    );
    for (const step of run.plan.steps) {
      const status = statusOf(run.states.get(step.index));
      const priority = step.priority || run.priority;
      const error = json(errors.get(step.index));
      const timeout = step.queueTimeoutSeconds ?? null;
      this.#newSteps.add(
        run.id,
        step.index,
        newId(),
        step.id,
        status,
        step.workerGroup,
        priority,
        timeout,
        isNew.delayMs,
        error,
      );
    }
  }
}

function newRunRows(runs: readonly RunInFlush[]): Rows {
  const rows = new Rows(19);
  for (const run of runs) {
    const { isNew } = run;
    if (!isNew) continue;
    rows.add(
      run.id,
      isNew.workflowId,
      isNew.versionId,
      isNew.workflowName,
      isNew.workflowVersion,
      run.status,
      isNew.trigger,
      JSON.stringify(isNew.input),
      JSON.stringify(isNew.labels),
      isNew.priority,
      isNew.createdBy,
      isNew.createdByName,
      isNew.parentRunId ?? null,
      isNew.replayOf ?? null,
      isNew.delayMs,
      run.lastSeq,
      run.states.toString(),
      isRunTerminal(run.status),
      json(run.error),
    );
  }
  return rows;
}

function changedRunRows(runs: readonly RunInFlush[]): Rows {
  const rows = new Rows(10);
  for (const run of runs) {
    const isEnded = isRunTerminal(run.status);
    const isCollected = run.status === "succeeded" && run.output === undefined;
    const collect = isCollected
      ? lastSteps(run.plan)
          .map((step) => step.index)
          .join(",")
      : null;
    const timeout = run.plan.timeoutSeconds ?? null;
    rows.add(
      run.id,
      run.status,
      run.states.toString(),
      run.lastSeq,
      json(run.error),
      run.hasStarted,
      timeout,
      isEnded,
      run.output === undefined ? null : JSON.stringify(run.output),
      collect,
    );
  }
  return rows;
}
