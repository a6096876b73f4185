import type { Transition } from "../../src/core/transition.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { type Blow, BLOWS } from "./faults.js";
import { followOutcome } from "./follow-outcome.js";
import type { SimProcess } from "./process.js";
import type { StepRow } from "./tables.js";
import type { Task } from "./task.js";
import type { SimWorker } from "./worker.js";
import type { World } from "./world.js";

/** Deals blows to whole processes, and brings new ones up. */
export class Chaos {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    if (this.#world.faults.isAnyBlow) this.#later();
  }

  /** The end of all faults: what is paused goes on, what is missing is started. */
  calm(): void {
    const world = this.#world;
    world.faults.isOn = false;
    world.trace(() => "no faults from here on");
    for (const process of world.processes()) process.resume();
    world.reviveServices();
    while (world.workers.filter(({ process }) => process.isAlive && !process.isStopping).length < 2)
      world.startWorker();
  }

  #later(): void {
    const { loop, random, faults } = this.#world;
    loop.after(random.int(200, 4000), () => {
      if (!faults.isOn) return;
      this.#strike(
        random.weighted(
          Object.fromEntries(BLOWS.map((blow) => [blow, faults.blows[blow]])) as Record<Blow, number>,
        ),
      );
      this.#world.reviveServices();
      this.#later();
    });
  }

  #strike(blow: Blow): void {
    const { random, workers, queue, loop } = this.#world;
    const alive = workers.filter(({ process }) => process.isAlive && !process.isPaused);
    const worker: SimWorker | undefined = alive.length > 0 ? random.pick(alive) : undefined;
    switch (blow) {
      case "killWorker":
        worker?.process.kill();
        return loop.after(random.int(100, 8000), () => this.#world.startWorker());
      case "pauseWorker":
        return worker?.process.pause(random.pick([500, 4000, 15_000, 30_000]));
      case "drainWorker":
        if (worker) worker.process.spawn(worker.drain(random.pick([0, 500, 10_000])));
        return loop.after(random.int(100, 4000), () => this.#world.startWorker());
      case "killService":
        return random.pick(this.#world.services()).kill();
      case "wipeQueue":
        this.#world.trace(() => "the queue's data are lost");
        return queue.wipe();
      case "replay":
        return this.#replay();
      case "stray":
        return this.#stray();
    }
  }

  /** Something that has happened before, once more: a job that came twice, a result that was long on its way. */
  #replay(): void {
    const { applied, random, api } = this.#world;
    if (applied.length === 0) return;
    const { runId, transition, child } = random.pick(applied);
    this.#world.trace(() => `again: ${transition.kind} of ${runId}`);
    api.spawn(apply(api, runId, transition, child));
  }

  /** What no process should ask for: it must be refused, whatever the step does just now. */
  #stray(): void {
    const { database, random, api } = this.#world;
    const rows = database.openSteps(({ status }) => status !== "pending");
    if (rows.length === 0) return;
    const row = random.pick(rows);
    const transition = drawStray(this.#world, row);
    if (transition) api.spawn(apply(api, row.run_id, transition));
  }
}

function drawStray(world: World, row: StepRow): Transition | undefined {
  const { random, database } = world;
  const key = { stepIndex: row.step_index, itemIndex: row.item_index };
  const attempt = row.attempt + random.pick([-1, 1]);
  const token = `token-${random.int(1, 200)}`;
  const isHolder = token === row.lease_token;
  switch (random.pick(["wake", "return", "claim", "skip", "succeed", "lose"] as const)) {
    case "wake":
      return { kind: "wake", ...key };
    case "claim":
      return {
        kind: "claim",
        ...key,
        attempt,
        token: world.newToken(),
        workerId: "nobody",
        sandboxLevel: "",
      };
    case "skip":
      return { kind: "skip", ...key, attempt };
    case "succeed":
      return isHolder ? undefined : { kind: "succeed", ...key, token, output: "stray" };
    case "lose":
      return isHolder ? undefined : { kind: "lose", ...key, token };
    case "return": {
      const other = random.pick([...database.tables.runs.values()]).row;
      const { id: childRunId, status, error } = other;
      if (childRunId === row.child_run_id) return undefined;
      return { kind: "return", ...key, childRunId, status, output: "stray", error };
    }
  }
}

function* apply(process: SimProcess, runId: string, transition: Transition, child?: NewRun): Task<void> {
  yield* followOutcome(process, runId, yield* process.apply(runId, transition, child));
}
