import type { Transition } from "../../src/core/transition.js";
import type { CommittedRun, FlushItem, TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { DatabaseAway, type Task, wait, type Wake } from "./task.js";
import type { World } from "./world.js";

interface Pending extends FlushItem {
  readonly wake: Wake;
}

/** What a process does when a commit of its own has happened. */
export type CommitListener = (process: SimProcess, run: CommittedRun) => Task<void> | undefined;

/**
 * An operating system's process: runs tasks until it is killed, stands still while it is paused, and has a group
 * commit of its own. What it was about to do when it was killed, nobody does.
 */
export class SimProcess {
  readonly name: string;
  readonly world: World;
  isAlive = true;
  /** It takes no further jobs. */
  isStopping = false;
  #pausedUntil = 0;
  #pending: Pending[] = [];
  readonly #onCommitted: readonly CommitListener[];

  constructor(world: World, name: string, onCommitted: readonly CommitListener[] = []) {
    this.world = world;
    this.name = name;
    this.#onCommitted = onCommitted;
  }

  /** Runs a task beside the others. Nobody hears of it when the database was away. */
  spawn(task: Task<unknown>, onEnd?: () => void): void {
    const go = (step: () => IteratorResult<(wake: Wake) => void, unknown>): void => {
      if (!this.isAlive) return;
      if (this.world.loop.now < this.#pausedUntil)
        return this.world.loop.at(this.#pausedUntil, () => go(step));
      let result: IteratorResult<(wake: Wake) => void, unknown>;
      try {
        result = step();
      } catch (error) {
        if (!(error instanceof DatabaseAway)) throw error;
        onEnd?.();
        return;
      }
      if (result.done) return onEnd?.();
      result.value({
        resolve: (value) => go(() => task.next(value)),
        reject: (error) => go(() => task.throw(error)),
      });
    };
    go(() => task.next());
  }

  /** `Promise.all`, for what each of them does. */
  *all(tasks: readonly Task<unknown>[]): Task<void> {
    if (tasks.length === 0) return;
    yield* wait<void>((wake) => {
      let left = tasks.length;
      for (const task of tasks)
        this.spawn(task, () => {
          left -= 1;
          if (left === 0) wake.resolve();
        });
    });
  }

  *sleep(delayMs: number): Task<void> {
    yield* wait<void>((wake) => this.world.loop.after(delayMs, () => wake.resolve()));
  }

  /** Applies a transition. @throws DatabaseAway */
  *apply(runId: string, transition: Transition, child?: NewRun): Task<TransitionOutcome> {
    this.world.noteApplied(runId, transition, child);
    const versionId = this.world.database.versionOf(runId);
    return yield* this.#submit({ runId, versionId, work: { transition, ...(child ? { child } : {}) } });
  }

  /** Creates a run. @throws DatabaseAway */
  *create(run: NewRun): Task<TransitionOutcome> {
    return yield* this.#submit({ runId: run.id, versionId: run.versionId, work: { create: run } });
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.world.trace(() => `${this.name} is killed`);
    this.world.queue.onSilence(this, Number.POSITIVE_INFINITY);
  }

  /** SIGSTOP, and after a while SIGCONT. */
  pause(forMs: number): void {
    this.#pausedUntil = this.world.loop.now + forMs;
    this.world.trace(() => `${this.name} stands still for ${forMs} ms`);
    this.world.queue.onSilence(this, forMs);
  }

  /** SIGCONT, now. */
  resume(): void {
    this.#pausedUntil = 0;
  }

  get isPaused(): boolean {
    return this.world.loop.now < this.#pausedUntil;
  }

  *#submit(item: FlushItem): Task<TransitionOutcome> {
    return yield* wait<TransitionOutcome>((wake) => {
      this.#pending.push({ ...item, wake });
      if (this.#pending.length === 1) this.#flushIn(this.world.random.int(1, 5));
    });
  }

  #flushIn(delayMs: number): void {
    this.world.loop.after(delayMs, () => {
      if (!this.isAlive) return;
      if (this.isPaused) return this.#flushIn(this.#pausedUntil - this.world.loop.now);
      const batch = this.#pending;
      this.#pending = [];
      this.#flush(batch);
    });
  }

  #flush(batch: readonly Pending[]): void {
    const { faults, database } = this.world;
    const refuseAll = () => batch.forEach(({ wake }) => wake.reject(new DatabaseAway()));
    if (faults.strike("databaseAway")) {
      this.world.trace(() => `${this.name} finds the database away: nothing is written`);
      return refuseAll();
    }
    this.world.traceFlush(this.name, batch);
    const { outcomes, committed } = database.commit(batch);
    if (faults.strike("answerLost")) {
      this.world.trace(() => `${this.name} has written, and does not know it`);
      return refuseAll();
    }
    if (faults.strike("crashAfterCommit")) return this.kill();
    this.#publish(committed);
    for (const run of committed)
      for (const listener of this.#onCommitted) {
        const task = listener(this, run);
        if (task) this.spawn(task);
      }
    if (faults.strike("crashBeforeEnqueue")) return this.kill();
    if (!faults.strike("queueAway")) this.#enqueue(committed);
    if (faults.strike("crashAfterEnqueue")) return this.kill();
    this.world.loop.after(1, () =>
      batch.forEach(({ wake }, index) => wake.resolve(outcomes[index] as TransitionOutcome)),
    );
  }

  #publish(committed: readonly CommittedRun[]): void {
    for (const { runId, stopBelow } of committed) {
      if (stopBelow === undefined) continue;
      for (const worker of this.world.workers) {
        if (this.world.faults.strike("noticeLost")) continue;
        this.world.loop.after(this.world.random.int(1, 20), () => worker.stopRun(runId, stopBelow));
      }
    }
  }

  #enqueue(committed: readonly CommittedRun[]): void {
    for (const { runId, versionId, plan, dispatches } of committed)
      for (const { stepIndex, itemIndex, attempt, delayMs } of dispatches) {
        const stepId = plan.steps[stepIndex]?.id ?? "";
        this.world.queue.add({ runId, versionId, stepIndex, stepId, itemIndex, attempt }, delayMs);
      }
  }
}
