import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep } from "../../src/core/plan.js";
import { stepAt } from "../../src/core/settle.js";
import type { FreeWorker, Hold, StepKey, Transition } from "../../src/core/transition.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import { WORKER_LEASE_SECONDS } from "../../src/services/engine/worker-registry.js";
import { beginStep, isRunHere, mayBeginAlone } from "./begin-step.js";
import { closeRun, followOutcome } from "./follow-outcome.js";
import type { Delivery } from "./job-queue.js";
import { SimProcess } from "./process.js";
import { DatabaseAway, type Task, wait } from "./task.js";
import type { World } from "./world.js";

const HEARTBEAT_MS = 3000;
const GO_ON_FOR_MS = 250;
const STOP_GRACE_MS = 5000;
const LONGEST_PAUSE_MS = 3000;
const LONGEST_BACKOFF_MS = 30_000;

type StopReason = "canceled" | "lost";

interface Execution {
  readonly runId: string;
  readonly token: string;
  stepIndex: number;
  isClaimed: boolean;
  stopReason: StopReason | undefined;
  /** Ends what runs, early. */
  interrupt: () => void;
}

interface Attempt extends StepKey {
  readonly runId: string;
  readonly step: PlanStep;
  readonly execution: Execution;
}

/** How often an attempt finds that it needs approval before it goes on. */
const PAUSE_RATE = 0.03;
const PAUSE: Hold = {
  approval: {
    roles: [],
    users: [],
    required: 1,
    allowSelfApproval: true,
    onExpiry: "reject",
    decisions: [],
    grants: ["budget"],
  },
  waitingFor: { reason: "budget", detail: "" },
  inputs: {},
};

/** How often an attempt goes on without its worker's slot, until people have sent something from its app. */
const SUSPEND_RATE = 0.05;

/** A worker, as `worker.ts`, `step-processor.ts`, `heartbeat.ts` and `run-attempt.ts` make it. */
export class SimWorker {
  readonly id: string;
  readonly process: SimProcess;
  readonly #world: World;
  readonly #executions = new Map<string, Execution>();

  constructor(world: World, id: string, slots: number) {
    this.id = id;
    this.#world = world;
    this.process = new SimProcess(world, id, world.listeners);
    this.#renewLease();
    for (let slot = 0; slot < slots; slot += 1) this.process.spawn(this.#takeJobs());
    this.process.spawn(this.#beat());
  }

  /** Ends executions of a run's steps before `below`. */
  stopRun(runId: string, below: number): void {
    for (const execution of this.#executions.values())
      if (execution.runId === runId && execution.stepIndex < below) stop(execution, "canceled");
  }

  /** SIGTERM: takes no more, lets what runs finish for a while, gives the rest back, and exits. */
  *drain(drainMs: number): Task<void> {
    this.#world.trace(() => `${this.id} stops within ${drainMs} ms`);
    this.process.isStopping = true;
    yield* this.#waitIdle(drainMs);
    for (const execution of this.#executions.values()) stop(execution, "lost");
    yield* this.#waitIdle(STOP_GRACE_MS);
    for (const app of [...this.#world.apps].filter(({ workerId }) => workerId === this.id)) {
      const { runId, stepIndex, itemIndex, token } = app;
      yield* this.#giveBack(runId, { kind: "release", stepIndex, itemIndex, token });
      this.#world.apps.delete(app);
    }
    this.#world.database.tables.workers.delete(this.id);
    this.process.kill();
  }

  *#waitIdle(limitMs: number): Task<void> {
    const until = this.#world.loop.now + limitMs;
    while (this.#executions.size > 0 && this.#world.loop.now < until) yield* this.process.sleep(100);
  }

  *#takeJobs(): Task<void> {
    const { queue } = this.#world;
    for (let failures = 0; !this.process.isStopping; ) {
      const delivery = yield* queue.take(this.process);
      try {
        yield* this.#process(delivery);
        failures = 0;
      } catch (error) {
        if (!(error instanceof DatabaseAway)) throw error;
        failures += 1;
        queue.putBack(delivery, Math.min(1000 * 2 ** failures, LONGEST_BACKOFF_MS));
        continue;
      }
      const { runId } = delivery.job;
      // the parent job comes after the last of its children
      if (!queue.hasJobOf(runId)) this.process.spawn(this.#processRun(runId));
    }
  }

  *#processRun(runId: string): Task<void> {
    const row = this.#world.database.tables.runs.get(runId)?.row;
    if (row?.finished_at === null && !/[pqrw]/.test(row.step_states)) yield* closeRun(this.process, runId);
  }

  *#process(delivery: Delivery): Task<void> {
    const { job } = delivery;
    const { queue, plans } = this.#world;
    const startedAt = this.#world.loop.now;
    const plan = plans.get(job.versionId);
    if (!plan) throw new Error(`no version ${job.versionId}`);
    const step = stepAt(plan, job.stepIndex);
    if (mayBeginAlone(step, job)) {
      const begun = yield* beginStep(this.process, job, step);
      if (begun) return yield* this.#finish(delivery, begun);
    }
    const execution = this.#add(job.runId, job.stepIndex);
    try {
      const { stepIndex, itemIndex, attempt, runId } = job;
      const { token } = execution;
      const worker = { token, workerId: this.id, sandboxLevel: "none" };
      const key = { stepIndex, itemIndex };
      if (isEffectless(step)) {
        const begun = yield* this.#perform({ runId, ...key, step, execution }, attempt, startedAt);
        if (begun.outcome.refusal) return yield* this.#finish(delivery, begun.outcome);
        if (begun.next) yield* this.#runChain(begun.next, startedAt);
        return queue.finish(delivery);
      }
      const outcome = yield* this.process.apply(runId, { kind: "claim", ...key, attempt, ...worker });
      if (outcome.refusal) return yield* this.#finish(delivery, outcome);
      execution.isClaimed = true;
      yield* this.#runChain({ runId, ...key, step, execution }, startedAt);
      queue.finish(delivery);
    } finally {
      this.#executions.delete(execution.token);
    }
  }

  *#finish(delivery: Delivery, outcome: TransitionOutcome): Task<void> {
    const { queue } = this.#world;
    if (outcome.refusal?.reason === "early") return queue.putBack(delivery, outcome.refusal.waitMs);
    yield* followOutcome(this.process, delivery.job.runId, outcome);
    queue.finish(delivery);
  }

  /** Begun and ended by one commit. */
  *#perform(
    attempt: Attempt,
    number: number,
    startedAt: number,
  ): Task<{ outcome: TransitionOutcome; next: Attempt | undefined }> {
    const { runId, stepIndex, itemIndex, execution } = attempt;
    const offered = this.#offer(runId, startedAt);
    let next: Attempt | undefined;
    try {
      const outcome = yield* this.process.apply(runId, {
        ...{ kind: "perform", stepIndex, itemIndex, attempt: number },
        ...{ token: execution.token, workerId: this.id, sandboxLevel: "none" },
        ...{ inputs: {}, output: this.#outputOf(attempt), next: this.#toFreeWorker(offered) },
      });
      if (outcome.refusal) return { outcome, next };
      yield* followOutcome(this.process, runId, outcome);
      next = offered && this.#toNext(runId, outcome, offered);
      return { outcome, next };
    } finally {
      if (offered && !next) this.#executions.delete(offered.token);
    }
  }

  #toNext(runId: string, { continued }: TransitionOutcome, execution: Execution): Attempt | undefined {
    if (!continued) return undefined;
    execution.stepIndex = continued.stepIndex;
    execution.isClaimed = true;
    return { runId, ...continued, step: this.#world.stepOf(runId, continued.stepIndex), execution };
  }

  *#runChain(first: Attempt, startedAt: number): Task<void> {
    let attempt: Attempt | undefined = first;
    while (attempt) {
      const current: Attempt = attempt;
      try {
        attempt = yield* this.#runClaimed(current, startedAt);
      } finally {
        this.#executions.delete(current.execution.token);
      }
    }
  }

  *#runClaimed(attempt: Attempt, startedAt: number): Task<Attempt | undefined> {
    const { runId } = attempt;
    yield* this.#execute(attempt);
    let offered: Execution | undefined;
    const offer = () => (offered = this.#offer(runId, startedAt));
    const transition = this.#toEnding(attempt, () => this.#toFreeWorker(offer()));
    try {
      const outcome = yield* this.#commitResult(runId, transition);
      yield* followOutcome(this.process, runId, outcome);
      const next = offered && this.#toNext(runId, outcome, offered);
      if (next) offered = undefined;
      return next;
    } finally {
      if (offered) this.#executions.delete(offered.token);
    }
  }

  /** The component runs: for a while, until it is interrupted, or until its worker dies of it. */
  *#execute({ execution, runId, stepIndex, itemIndex, step }: Attempt): Task<void> {
    const { random, loop, faults } = this.#world;
    const how = random.weighted({ short: 70, longer: 24, long: 6 });
    const lastsMs = { short: [1, 40], longer: [50, 1500], long: [2000, 25_000] }[how] as [number, number];
    if (random.chance(0.1)) {
      const events = [{ type: "step.log", data: { lines: [] } }];
      const report = { kind: "report", stepIndex, itemIndex, token: execution.token, events } as const;
      this.process.spawn(this.process.apply(runId, report));
    }
    if (faults.strike("crashWhileRunning")) loop.after(random.int(0, 40), () => this.process.kill());
    this.#world.trace(() => `${this.id} runs ${runId}/${step.id}${itemIndex < 0 ? "" : `[${itemIndex}]`}`);
    yield* wait<void>((wake) => {
      let isOver = false;
      const end = () => {
        if (!isOver) wake.resolve();
        isOver = true;
      };
      execution.interrupt = end;
      if (execution.stopReason) loop.after(1, end);
      else loop.after(random.int(...lastsMs), end);
    });
  }

  #toEnding(attempt: Attempt, next: () => FreeWorker | undefined): Extract<Transition, { token: string }> {
    const { execution, stepIndex, itemIndex } = attempt;
    const { random, failRate } = this.#world;
    const { token, stopReason } = execution;
    const key = { stepIndex, itemIndex, token };
    if (stopReason === "lost") return { kind: "release", ...key };
    if (stopReason === "canceled") {
      const error = { code: "canceled", message: "The run was stopped" } as const;
      return { kind: "fail", ...key, error, isRetryable: false };
    }
    if (random.chance(PAUSE_RATE)) return { kind: "pause", ...key, hold: PAUSE };
    if (random.chance(SUSPEND_RATE)) return this.#suspend(attempt);
    if (random.chance(failRate)) {
      const error = { code: "script_error", message: "no" } as const;
      return { kind: "fail", ...key, error, isRetryable: random.chance(0.8) };
    }
    const output = this.#outputOf(attempt);
    return { kind: "succeed", ...key, output, isCacheHit: random.chance(0.1), next: next() };
  }

  #outputOf(attempt: Attempt): JsonValue {
    const by = attempt.execution.token;
    return attempt.itemIndex < 0 ? { by } : { by, item: this.#itemOf(attempt.runId, attempt) };
  }

  /** The app runs from before the step is suspended; it is lost with its worker. */
  #suspend(attempt: Attempt): Extract<Transition, { kind: "suspend" }> {
    const { runId, stepIndex, itemIndex, execution } = attempt;
    const { random, apps } = this.#world;
    const key = { stepIndex, itemIndex, token: execution.token };
    apps.add({ runId, ...key, workerId: this.id, output: this.#outputOf(attempt) });
    const waitingFor = { reason: "submit", detail: "" };
    return { kind: "suspend", ...key, hold: { dueMs: random.int(500, 20_000), waitingFor, inputs: {} } };
  }

  #itemOf(runId: string, { stepIndex, itemIndex }: StepKey): JsonValue {
    const items = this.#world.database.tables.runs.get(runId)?.items.get(stepIndex);
    return items?.[itemIndex] ?? null;
  }

  *#commitResult(runId: string, transition: Transition): Task<TransitionOutcome> {
    for (let tries = 1; ; tries += 1) {
      try {
        return yield* this.process.apply(runId, transition);
      } catch (error) {
        if (!(error instanceof DatabaseAway)) throw error;
        yield* this.process.sleep(Math.min(100 * 2 ** tries, LONGEST_PAUSE_MS));
      }
    }
  }

  #offer(runId: string, startedAt: number): Execution | undefined {
    if (this.process.isStopping || this.#world.loop.now - startedAt > GO_ON_FOR_MS) return undefined;
    return this.#add(runId, Number.MAX_SAFE_INTEGER);
  }

  #toFreeWorker(execution: Execution | undefined): FreeWorker | undefined {
    if (!execution) return undefined;
    const accepts = (step: PlanStep) => isRunHere(step) && step.when === undefined;
    const { token } = execution;
    const perform = (step: PlanStep) =>
      isEffectless(step) ? { inputs: {}, output: { by: token } } : undefined;
    return { token, workerId: this.id, sandboxLevel: "none", accepts, perform };
  }

  #add(runId: string, stepIndex: number): Execution {
    const execution: Execution = {
      runId,
      token: this.#world.newToken(),
      stepIndex,
      isClaimed: false,
      stopReason: undefined,
      interrupt: () => undefined,
    };
    this.#executions.set(execution.token, execution);
    return execution;
  }

  #renewLease(): void {
    const { database, loop } = this.#world;
    database.tables.workers.set(this.id, loop.now + WORKER_LEASE_SECONDS * 1000);
  }

  /** Every three seconds: keeps the lease, and makes what runs here and what the rows say agree. */
  *#beat(): Task<void> {
    for (;;) {
      yield* this.process.sleep(HEARTBEAT_MS);
      const claimed = [...this.#executions.values()].filter((execution) => execution.isClaimed);
      yield* this.process.sleep(1);
      this.#renewLease();
      const owned = this.#world.database.openSteps(
        (row) => row.worker_id === this.id && row.status === "running",
      );
      const tokens = new Set(owned.map((row) => row.lease_token));
      for (const execution of claimed) if (!tokens.has(execution.token)) stop(execution, "lost");
      for (const row of owned.filter(({ lease_token }) => !this.#executions.has(lease_token ?? ""))) {
        const key = { stepIndex: row.step_index, itemIndex: row.item_index, token: row.lease_token ?? "" };
        yield* this.#giveBack(row.run_id, { kind: "release", ...key });
      }
    }
  }

  *#giveBack(runId: string, release: Transition): Task<void> {
    try {
      yield* this.process.apply(runId, release);
    } catch (error) {
      if (!(error instanceof DatabaseAway)) throw error;
    }
  }
}

/** A fixed third of the steps. */
function isEffectless({ id, index, timeoutSeconds }: PlanStep): boolean {
  return timeoutSeconds === undefined && (id.length + index) % 3 === 0;
}

function stop(execution: Execution, reason: StopReason): void {
  execution.stopReason ??= reason;
  execution.interrupt();
}
