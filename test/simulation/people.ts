import { isRunTerminal } from "../../src/core/statuses.js";
import { planReuse } from "../../src/core/plan-reuse.js";
import type { Transition } from "../../src/core/transition.js";
import type { NewRun, ReusedSteps } from "../../src/services/engine/flush-batch.js";
import { prepareAdmission, takeTurn } from "./admission.js";
import { closeRun, followOutcome } from "./follow-outcome.js";
import type { SimProcess } from "./process.js";
import type { SimWorkflow } from "./random-plan.js";
import type { RunRow, StepRow } from "./tables.js";
import type { Task } from "./task.js";
import type { SimApp, World } from "./world.js";

const DECIDE_EVERY_MS = 1500;
const MOST_RERUNS = 2;

/** Who starts, cancels, decides and reruns, each through whichever API process there is. */
export class People {
  /** Runs that are to be started yet. */
  pending = 0;
  readonly #world: World;
  readonly #workflows: readonly SimWorkflow[];
  #decisions = 0;
  #reruns = 0;

  constructor(world: World, workflows: readonly SimWorkflow[]) {
    this.#world = world;
    this.#workflows = workflows;
  }

  /** Plans the day. */
  begin(): void {
    const { random } = this.#world;
    const starts = random.pick([1, 1, 2, 3]);
    // the last workflow may call all the others
    const favourite = this.#workflows.at(-1) as SimWorkflow;
    for (let number = 0; number < starts; number += 1) {
      const workflow = random.chance(0.7) ? favourite : random.pick(this.#workflows);
      this.#plan(random.int(0, 3000), (process) => this.#start(process, workflow));
    }
    this.#decideLater();
    this.#rerunLater();
  }

  #plan(delayMs: number, toTask: (process: SimProcess) => Task<void>): void {
    this.pending += 1;
    this.#world.loop.after(delayMs, () => {
      this.pending -= 1;
      const { api } = this.#world;
      api.spawn(toTask(api));
    });
  }

  *#start(process: SimProcess, { id, versionIds }: SimWorkflow): Task<void> {
    const { random } = this.#world;
    const delayMs = random.chance(0.15) ? random.int(1, 5000) : 0;
    const versionId = versionIds[random.chance(0.8) ? 0 : 1] as string;
    const run = { ...this.#world.draftRun(this.#world.newRunId(), id, versionId), delayMs };
    yield* this.#create(process, run);
    const stops = random.chance(0.2) ? random.int(1, 2) : 0;
    for (let stop = 0; stop < stops; stop += 1)
      this.#plan(random.int(0, 15_000), (api) => this.#cancel(api, run.id));
  }

  *#create(process: SimProcess, run: NewRun): Task<void> {
    const prepared = prepareAdmission(process, run);
    const outcome = yield* process.create(prepared);
    if (outcome.isClosing) yield* closeRun(process, prepared.id);
    if (prepared.isHeld === true && prepared.workflowId !== null)
      yield* takeTurn(process, prepared.workflowId);
  }

  *#cancel(process: SimProcess, runId: string): Task<void> {
    yield* followOutcome(process, runId, yield* process.apply(runId, { kind: "cancel" }));
  }

  #decideLater(): void {
    const { loop, random, database, faults } = this.#world;
    loop.after(random.int(1, DECIDE_EVERY_MS), () => {
      const { api } = this.#world;
      for (const row of database.openSteps(
        ({ status, approval }) => status === "waiting" && approval !== null,
      ))
        if (!faults.isOn || random.chance(0.3)) api.spawn(this.#decide(api, row));
      for (const app of this.#world.apps) if (random.chance(0.3)) api.spawn(this.#submit(api, app));
      this.#decideLater();
    });
  }

  *#decide(process: SimProcess, row: StepRow): Task<void> {
    const { random, faults, loop } = this.#world;
    this.#decisions += 1;
    const name = faults.isOn ? `user ${random.int(0, 2)}` : `user ${this.#decisions}`;
    const decision = {
      decision: random.chance(0.88) ? ("approve" as const) : ("reject" as const),
      userId: name,
      name,
      at: `${loop.now}`,
    };
    const key = { stepIndex: row.step_index, itemIndex: row.item_index };
    const outcome = yield* process.apply(row.run_id, { kind: "decide", ...key, decision });
    yield* followOutcome(process, row.run_id, outcome);
  }

  /** Somebody sends values from an app, perhaps for the second time; or it breaks. */
  *#submit(process: SimProcess, { runId, stepIndex, itemIndex, token, output }: SimApp): Task<void> {
    const { random } = this.#world;
    const key = { stepIndex, itemIndex, token };
    const error = { code: "script_error", message: "the app has ended" } as const;
    const transition: Transition = random.chance(0.85)
      ? { kind: "succeed", ...key, output }
      : { kind: "fail", ...key, error, isRetryable: random.chance(0.5) };
    yield* followOutcome(process, runId, yield* process.apply(runId, transition));
  }

  #rerunLater(): void {
    const { loop, random, faults } = this.#world;
    if (!random.chance(0.5)) return;
    loop.after(random.int(2000, 20_000), () => {
      if (this.#reruns >= MOST_RERUNS || !faults.isOn) return;
      this.#reruns += 1;
      const { api } = this.#world;
      const task = this.#rerun(api);
      if (task) api.spawn(task);
      this.#rerunLater();
    });
  }

  #rerun(process: SimProcess): Task<void> | undefined {
    const { random, database } = this.#world;
    const ended = [...database.tables.runs.values()].filter(
      ({ row }) => isRunTerminal(row.status) && row.parent_run_id === null,
    );
    if (ended.length === 0) return undefined;
    const { row } = random.pick(ended);
    const { versionIds } = this.#workflows.find(({ id }) => id === row.workflow_id) as SimWorkflow;
    const versionId = random.chance(0.6) ? row.workflow_version_id : random.pick(versionIds);
    const draft = this.#world.draftRun(this.#world.newRunId(), row.workflow_id, versionId);
    const reused = this.#drawReuse(row, versionId);
    return this.#create(process, { ...draft, replayOf: row.id, ...(reused ? { reused } : {}) });
  }

  #drawReuse(old: RunRow, versionId: string): ReusedSteps | undefined {
    const { random, plans } = this.#world;
    const before = plans.get(old.workflow_version_id);
    const plan = plans.get(versionId);
    if (!before || !plan || random.chance(0.15)) return undefined;
    const isFromStep = old.status === "succeeded" || random.chance(0.3);
    const from = isFromStep ? random.int(0, plan.steps.length - 1) : undefined;
    const steps = planReuse({ before, states: old.step_states, plan, from });
    return steps.size === 0 ? undefined : { fromRunId: old.id, steps };
  }
}
