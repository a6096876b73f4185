import { advance, beginRun } from "../../src/core/advance.js";
import type { Judge } from "../../src/services/engine/apply-batch.js";
import { Book } from "./book.js";
import { Chaos } from "./chaos.js";
import { EventLoop } from "./event-loop.js";
import type { Mutant } from "./mutants.js";
import { People } from "./people.js";
import { Random } from "./random.js";
import { drawLibrary } from "./random-plan.js";
import { Violation } from "./violation.js";
import { Watch } from "./watch.js";
import { World } from "./world.js";

/** One simulation. */
export interface SimulationOptions {
  readonly seed: number;
  /** A fault built into the engine, which the simulation has to find. */
  readonly mutant?: Mutant;
  /** Told of everything that happens. */
  readonly log?: (line: string) => void;
}

/** How a simulation ended. */
export interface SimulationResult {
  readonly seed: number;
  readonly ticks: number;
  readonly runs: number;
  readonly violation?: Violation;
}

/** Without faults every run has to end within so many ticks. */
const MOST_CALM_TICKS = 40_000;

/** Lets one installation live, with faults for a while and then without, until every run has ended. Same seed, same life. */
export function simulate({ seed, mutant, log }: SimulationOptions): SimulationResult {
  const random = new Random(seed);
  const loop = new EventLoop();
  const { workflows, plans } = drawLibrary(random);
  const book = new Book(loop);
  const watch = new Watch(book);
  const judge = createJudge(book, random, mutant);
  let world: World | undefined;
  try {
    world = new World({
      random,
      loop,
      plans,
      judge,
      without: mutant?.without ?? [],
      log,
      onFlush({ touched, batch, outcomes }) {
        if (log) traceOutcome(world, batch, outcomes, touched);
        watch.look(world?.database.tables as World["database"]["tables"], touched);
      },
    });
    live(world, book, watch, workflows);
    return { seed, ticks: loop.ticks, runs: book.runs.size };
  } catch (error) {
    const violation =
      error instanceof Violation
        ? error
        : new Violation("crash", error instanceof Error ? (error.stack ?? "") : "");
    return { seed, ticks: loop.ticks, runs: book.runs.size, violation };
  }
}

function live(
  world: World,
  book: Book,
  watch: Watch,
  workflows: ConstructorParameters<typeof People>[1],
): void {
  const { loop, random } = world;
  const chaos = new Chaos(world);
  const people = new People(world, workflows);
  people.begin();
  chaos.begin();
  let calmAt: number | undefined;
  loop.after(random.int(5000, 40_000), () => {
    calmAt = loop.ticks;
    watch.calmSince = loop.now;
    chaos.calm();
  });
  while (people.pending > 0 || book.openRuns > 0 || loop.ticks < 2) {
    loop.turn();
    if (calmAt !== undefined && loop.ticks - calmAt > MOST_CALM_TICKS) {
      const open = world.database
        .openRuns()
        .map(({ row }) => `${row.id} (${row.status}, ${row.step_states})`);
      throw new Violation("I8", `after ${MOST_CALM_TICKS} ticks without faults: ${open.join(", ")}`);
    }
  }
  // what comes late must not change anything
  const until = loop.now + (random.chance(0.3) ? 20_000 : 500);
  while (loop.now < until) loop.turn();
}

/** The core, or a mutant of it, under the eyes of the book. */
function createJudge(book: Book, random: Random, mutant: Mutant | undefined): Judge {
  const core: Judge = { advance, beginRun, random: () => random.next() };
  const judged = mutant?.mutate?.(core) ?? core;
  return {
    random: core.random,
    advance(input) {
      const result = judged.advance(input);
      book.advance(input, result);
      return result;
    },
    beginRun(plan, run, options) {
      const result = judged.beginRun(plan, run, options);
      book.begin(run.id, plan, run, options, result);
      return result;
    },
  };
}

function traceOutcome(
  world: World | undefined,
  batch: Parameters<World["traceFlush"]>[1],
  outcomes: readonly { readonly refusal?: { readonly reason: string } }[],
  touched: readonly {
    readonly row: { readonly id: string; readonly status: string; readonly step_states: string };
  }[],
): void {
  for (const [index, { refusal }] of outcomes.entries())
    if (refusal) world?.trace(() => `    ${batch[index]?.runId} refused: ${refusal.reason}`);
  for (const { row } of touched) world?.trace(() => `    ${row.id} ${row.status} ${row.step_states}`);
}
