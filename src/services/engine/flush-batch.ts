import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import { lastSteps, type RunPlan } from "../../core/plan.js";
import { isRunTerminal, type RunError, type RunStatus } from "../../core/statuses.js";
import { type STATE, type StepStates, statusOf } from "../../core/step-states.js";
import type { AuditEntry } from "../audit/audit-entry.js";
import type { Advance, EventDraft, RunState, StepKey } from "../../core/transition.js";
import * as sql from "./engine-statements.js";
import { json, Rows } from "./flush-rows.js";
import { StepChanges } from "./step-changes.js";

/** One named statement with its parameters. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** What a rerun takes over: steps of the new plan, by their index, and where their result is. */
export interface ReusedSteps {
  readonly fromRunId: string;
  readonly steps: ReadonlyMap<
    number,
    { readonly fromIndex: number; readonly letter: typeof STATE.succeeded | typeof STATE.skipped }
  >;
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
  /** The step that starts it, of another run. */
  readonly parent?: StepKey & { readonly runId: string };
  readonly replayOf?: string;
  readonly reused?: ReusedSteps;
  /** The keys of its workflow's flow control. */
  readonly admission?: { readonly concurrencyKey?: string; readonly rateKey?: string };
  /** It waits for its turn: no step is queued before an `admit`. */
  readonly isHeld?: boolean;
  readonly schedule?: { readonly id: string; readonly dueAt: Date };
  /** Recorded in the same transaction. */
  readonly entry?: AuditEntry;
}

/** A run while a flush works on it: read under its lock, or new. */
export interface RunInFlush {
  readonly id: string;
  readonly plan: RunPlan;
  readonly states: StepStates;
  readonly priority: number;
  readonly isNew: NewRun | undefined;
  readonly depth: number;
  readonly workflowId: string | null;
  readonly parent: (StepKey & { readonly runId: string }) | undefined;
  readonly concurrencyKey: string | null;
  readonly rateKey: string | null;
  flow: number;
  status: RunStatus;
  error: RunError | null;
  ending: RunState["ending"];
  lastSeq: number;
  hasStarted: boolean;
  isNewFlow: boolean;
  output: JsonValue | undefined;
}

/** Everything that one flush writes, gathered transition by transition and written in one round trip. */
export class FlushBatch {
  readonly #runs = new Map<string, RunInFlush>();
  readonly #changes = new StepChanges();
  readonly #events = new Rows(7);
  readonly #newSteps = new Rows(10);
  readonly #copies = new Rows(4);

  /** Takes over what a transition did to a run. */
  add(run: RunInFlush, result: Advance): void {
    this.#runs.set(run.id, run);
    run.status = result.status;
    run.error = result.error;
    run.ending = result.ending;
    run.hasStarted ||= result.hasStarted;
    if (result.isNewFlow && !run.isNewFlow) {
      run.isNewFlow = true;
      run.flow += 1;
    }
    if (result.ended) run.output = result.ended.output;
    for (const event of result.events) this.#addEvent(run, event);
    if (run.isNew) this.#addNewSteps(run, run.isNew, result);
    else for (const change of result.changes) this.#changes.add(run, change);
  }

  /** The statements, in the order in which they must run within the transaction. */
  statements(): Statement[] {
    const runs = [...this.#runs.values()];
    const candidates: [{ name: string; text: string }, Rows][] = [
      [sql.INSERT_RUNS, newRunRows(runs.filter((run) => run.isNew))],
      [sql.INSERT_STEPS, this.#newSteps],
      [sql.COPY_RESULTS, this.#copies],
      [sql.COPY_ARTIFACTS, this.#copies],
      ...this.#changes.statements(),
      [sql.INSERT_EVENTS, this.#events],
      // a rerun may end with all that it took over: its output is collected like any other's
      [sql.UPDATE_RUNS, changedRunRows(runs.filter((run) => !run.isNew || isRunTerminal(run.status)))],
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

  #addNewSteps(run: RunInFlush, isNew: NewRun, result: Advance): void {
    const errors = new Map(
      result.changes.flatMap((change) => (change.type === "end" ? [[change.stepIndex, change.error]] : [])),
    );
    for (const step of run.plan.steps) {
      this.#newSteps.add(
        run.id,
        step.index,
        newId(),
        step.id,
        statusOf(run.states.get(step.index)),
        step.workerGroup,
        step.priority || run.priority,
        step.queueTimeoutSeconds ?? null,
        isNew.delayMs,
        json(errors.get(step.index)),
      );
    }
    const { reused } = isNew;
    for (const [index, { fromIndex }] of reused?.steps ?? [])
      this.#copies.add(run.id, index, reused?.fromRunId, fromIndex);
  }
}

function newRunRows(runs: readonly RunInFlush[]): Rows {
  const rows = new Rows(27);
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
      isNew.parent?.runId ?? null,
      isNew.replayOf ?? null,
      isNew.delayMs,
      run.lastSeq,
      run.states.toString(),
      isRunTerminal(run.status),
      json(run.error),
      isNew.parent?.stepIndex ?? null,
      isNew.parent?.itemIndex ?? null,
      run.depth,
      isNew.admission?.concurrencyKey ?? null,
      isNew.admission?.rateKey ?? null,
      isNew.isHeld ?? false,
      isNew.schedule?.id ?? null,
      isNew.schedule?.dueAt.toISOString() ?? null,
    );
  }
  return rows;
}

function changedRunRows(runs: readonly RunInFlush[]): Rows {
  const rows = new Rows(12);
  for (const run of runs) {
    const isCollected = run.status === "succeeded" && run.output === undefined;
    const collect = isCollected
      ? lastSteps(run.plan)
          .map((step) => step.index)
          .join(",")
      : null;
    rows.add(
      run.id,
      run.status,
      run.states.toString(),
      run.lastSeq,
      json(run.error),
      run.hasStarted,
      run.plan.timeoutSeconds ?? null,
      isRunTerminal(run.status),
      run.output === undefined ? null : JSON.stringify(run.output),
      collect,
      run.ending,
      run.flow,
    );
  }
  return rows;
}
