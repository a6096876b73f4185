import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import { stepAt } from "../../src/core/settle.js";
import type { JsonValue } from "../../src/core/json.js";
import type { StepKey, Transition } from "../../src/core/transition.js";
import type { FlushItem, Judge } from "../../src/services/engine/apply-batch.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { followAdmission } from "./admission.js";
import { Database, type FlushRecord } from "./database.js";
import type { EventLoop } from "./event-loop.js";
import { Faults } from "./faults.js";
import { JobQueue } from "./job-queue.js";
import { type CommitListener, SimProcess } from "./process.js";
import type { Random } from "./random.js";
import { type Part, runReconciler, runTimers } from "./reconciler.js";
import { followSubRuns } from "./sub-runs.js";
import { SimWorker } from "./worker.js";

/** A transition that was asked for once. */
export interface Applied {
  readonly runId: string;
  readonly transition: Transition;
  readonly child: NewRun | undefined;
}

/** An app that a suspended step waits for; it belongs to the worker that has started it. */
export interface SimApp extends StepKey {
  readonly runId: string;
  readonly token: string;
  readonly workerId: string;
  /** What people send from it. */
  readonly output: JsonValue;
}

/** What a world is made of. */
export interface WorldParts {
  readonly random: Random;
  readonly loop: EventLoop;
  readonly plans: ReadonlyMap<string, RunPlan>;
  readonly judge: Judge;
  readonly without: readonly Part[];
  readonly log: ((line: string) => void) | undefined;
  onFlush(record: FlushRecord): void;
}

const MOST_KEPT = 300;

/** One simulated installation: a database, a queue, and the processes around them. */
export class World {
  readonly random: Random;
  readonly loop: EventLoop;
  readonly plans: ReadonlyMap<string, RunPlan>;
  readonly faults: Faults;
  readonly queue: JobQueue;
  readonly database: Database;
  readonly failRate: number;
  readonly listeners: readonly CommitListener[] = [followSubRuns, followAdmission];
  readonly workers: SimWorker[] = [];
  /** Apps that were started and not reported as lost; that their step may have ended since is nobody's concern. */
  readonly apps = new Set<SimApp>();
  /** What can be replayed. */
  readonly applied: Applied[] = [];
  readonly #parts: WorldParts;
  #api: SimProcess;
  #reconcilers: SimProcess[] = [];
  #counts = { run: 0, token: 0, worker: 0, service: 0 };

  constructor(parts: WorldParts) {
    this.#parts = parts;
    const { random, loop, plans } = parts;
    this.random = random;
    this.loop = loop;
    this.plans = plans;
    this.faults = new Faults(random);
    this.failRate = random.pick([0, 0.1, 0.3]);
    this.queue = new JobQueue({ random, loop, faults: this.faults });
    this.database = new Database(parts);
    this.#api = new SimProcess(this, "api-1", this.listeners);
    const count = random.int(1, 3);
    for (let worker = 0; worker < count; worker += 1) this.startWorker();
    this.reviveServices();
  }

  /** The API process of the moment. */
  get api(): SimProcess {
    return this.#api;
  }

  services(): SimProcess[] {
    return [this.#api, ...this.#reconcilers];
  }

  processes(): SimProcess[] {
    return [...this.services(), ...this.workers.map(({ process }) => process)];
  }

  /** Whether this part of the reconciler is there; mutants lack some. */
  does(part: Part): boolean {
    return !this.#parts.without.includes(part);
  }

  startWorker(): void {
    this.#counts.worker += 1;
    const living = this.workers.filter(({ process }) => process.isAlive).length;
    if (living < 4)
      this.workers.push(new SimWorker(this, `worker-${this.#counts.worker}`, this.random.int(1, 3)));
  }

  /** Starts services that were killed: an API process, and two who both believe that they lead. */
  reviveServices(): void {
    const name = (role: string) => `${role}-${(this.#counts.service += 1)}`;
    if (!this.#api.isAlive) this.#api = new SimProcess(this, name("api"), this.listeners);
    this.#reconcilers = this.#reconcilers.filter(({ isAlive }) => isAlive);
    while (this.#reconcilers.length < 2) {
      const process = new SimProcess(this, name("reconciler"), this.listeners);
      process.spawn(runReconciler(process));
      process.spawn(runTimers(process));
      this.#reconcilers.push(process);
    }
  }

  newRunId(): string {
    this.#counts.run += 1;
    return `run-${this.#counts.run}`;
  }

  newToken(): string {
    this.#counts.token += 1;
    return `token-${this.#counts.token}`;
  }

  /** A run as somebody starts it. */
  draftRun(id: string, workflowId: string | null, versionId: string): NewRun {
    return {
      id,
      workflowId,
      versionId,
      workflowName: workflowId ?? "",
      workflowVersion: 1,
      trigger: "api",
      input: {},
      labels: {},
      priority: 0,
      delayMs: 0,
      createdBy: null,
      createdByName: "simulation",
    };
  }

  stepOf(runId: string, stepIndex: number): PlanStep {
    const plan = this.plans.get(this.database.versionOf(runId));
    if (!plan) throw new Error(`no version of ${runId}`);
    return stepAt(plan, stepIndex);
  }

  /** Remembers a transition; a person's stop is left out: asking for it twice means something. */
  noteApplied(runId: string, transition: Transition, child: NewRun | undefined): void {
    if (transition.kind === "cancel" && transition.reason === undefined) return;
    if (this.applied.length < MOST_KEPT) this.applied.push({ runId, transition, child });
  }

  trace(toLine: () => string): void {
    const { log } = this.#parts;
    if (log) log(`${((this.loop.now - 1_000_000) / 1000).toFixed(3).padStart(9)}  ${toLine()}`);
  }

  traceFlush(name: string, batch: readonly FlushItem[]): void {
    if (!this.#parts.log) return;
    for (const { runId, work } of batch) this.trace(() => `${name} ← ${runId} ${describe(work)}`);
  }
}

function describe(work: FlushItem["work"]): string {
  if ("create" in work) {
    const { versionId, replayOf, isHeld, delayMs } = work.create;
    return `create ${JSON.stringify({ versionId, replayOf, isHeld, delayMs })}`;
  }
  const { kind, ...rest } = work.transition;
  return `${kind} ${JSON.stringify(rest)}`;
}
