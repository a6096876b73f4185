import type { JsonValue } from "../../src/core/json.js";
import { measureLatency } from "../measure.js";
import { median } from "../statistics.js";
import { type ShapeStep, stepsOf } from "../workloads.js";
import { type GrowthStage, type Installation, withInstallation } from "./installation.js";

/** One run of a shape, by how large it is. */
export interface ShapeFigures {
  /** So many parallel steps of the definition and one that joins them. */
  readonly branches: Readonly<Record<string, ShapeFigure>>;
  /** One step over so many items. */
  readonly items: Readonly<Record<string, ShapeFigure>>;
  /** So many steps in a row. */
  readonly chains: Readonly<Record<string, ShapeFigure>>;
}

/** How long one run takes, started and ended with nothing beside it. */
export interface ShapeFigure {
  readonly ms: number;
  readonly msPerStep: number;
}

const WIDTHS = [10, 100, 1000, 10_000];
/** A definition holds 10,000 steps, and one joins them. */
const MOST_BRANCHES = 9999;
const LENGTHS = [10, 100, 1000];

/** Times single runs. */
export async function measureShapes(stage: GrowthStage): Promise<ShapeFigures> {
  return await withInstallation(stage, "shapes", async (installation) => {
    await installation.startWorker();
    const time = async (what: string, size: number, steps: JsonValue[]) => {
      const figure = await timeRuns(stage, installation, { size, steps });
      stage.progress(`${what} ${size}: ${figure.ms.toFixed(0)} ms`);
      return [String(size), figure] as const;
    };
    const branches: (readonly [string, ShapeFigure])[] = [];
    const items: typeof branches = [];
    const chains: typeof branches = [];
    await time("warming up", 100, toSteps(stepsOf({ kind: "fanOut", width: 100 })));
    for (const width of WIDTHS) {
      const branching = Math.min(width, MOST_BRANCHES);
      branches.push(
        await time("branches", branching, toSteps(stepsOf({ kind: "fanOut", width: branching }))),
      );
      items.push(await time("items", width, [forEach(width)]));
    }
    for (const length of LENGTHS) {
      chains.push(await time("chain", length, toSteps(stepsOf({ kind: "chain", length }))));
    }
    return {
      branches: Object.fromEntries(branches),
      items: Object.fromEntries(items),
      chains: Object.fromEntries(chains),
    };
  });
}

async function timeRuns(
  { signal, isQuick }: GrowthStage,
  { driver }: Installation,
  { size, steps }: { readonly size: number; readonly steps: JsonValue[] },
): Promise<ShapeFigure> {
  const workflow = await driver.publish(steps);
  const samples = Math.max(1, Math.min(isQuick ? 5 : 20, Math.floor(2000 / size)));
  const run = async (): Promise<void> => await driver.untilEnded(await driver.start(workflow));
  const ms = median(await measureLatency(run, { samples, signal }));
  return { ms, msPerStep: ms / size };
}

function toSteps(steps: readonly ShapeStep[]): JsonValue[] {
  return steps.map(({ id, dependsOn }) => ({ id, dependsOn: [...dependsOn], uses: "builtin:noop" }));
}

function forEach(width: number): JsonValue {
  const value = Array.from({ length: width }, (_, index) => index);
  return { id: "each", uses: "builtin:noop", forEach: { value } };
}
