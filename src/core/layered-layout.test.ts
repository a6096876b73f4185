import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { layOutLayers, type LayoutPoint } from "./layered-layout.js";

type Edges = [number, number][];
const GAPS = { layerGap: 280, nodeGap: 88 };
const lay = (count: number, edges: Edges) => layOutLayers({ count, edges, ...GAPS });

/** A repeatable sequence of numbers below 1. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const SHAPES: Record<string, (count: number) => Edges> = {
  chain: (count) => Array.from({ length: count - 1 }, (_, at) => [at, at + 1]),
  fan: (count) =>
    Array.from(
      { length: count - 2 },
      (_, at): Edges => [
        [0, at + 1],
        [at + 1, count - 1],
      ],
    ).flat(),
  random: (count) => {
    const next = sequence(7);
    return Array.from({ length: 2 * count }, (): [number, number] => {
      const target = 1 + Math.floor(next() * (count - 1));
      return [Math.max(0, target - 1 - Math.floor(next() * 40)), target];
    });
  },
  loners: () => [],
};

function expectNoOverlap(points: LayoutPoint[]): void {
  const columns = new Map<number, number[]>();
  for (const { along, across } of points) columns.set(along, [...(columns.get(along) ?? []), across]);
  for (const column of columns.values()) {
    column.sort((one, other) => one - other);
    column.forEach((across, at) => {
      const last = column[at - 1];
      if (last !== undefined) expect(across - last).toBeGreaterThanOrEqual(GAPS.nodeGap - 0.001);
    });
  }
}

describe("layered layout", () => {
  it("draws a chain as a straight line and a diamond evenly", () => {
    expect(
      lay(3, [
        [0, 1],
        [1, 2],
      ]),
    ).toEqual([0, 280, 560].map((along) => ({ along, across: 0 })));
    const diamond = lay(4, [
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3],
    ]);
    expect(diamond.map((point) => point.along)).toEqual([0, 280, 280, 560]);
    expect(diamond[0]?.across).toBeCloseTo(44);
    expect(diamond[3]?.across).toBeCloseTo(44);
  });

  it("uncrosses what need not cross", () => {
    const points = lay(4, [
      [0, 3],
      [1, 2],
    ]);
    const side = (one: number, other: number) =>
      Math.sign((points[one]?.across ?? 0) - (points[other]?.across ?? 0));
    expect(side(0, 1)).toBe(side(3, 2));
  });

  it("puts a source next to what it leads to, not at the far left", () => {
    const points = lay(5, [
      [0, 1],
      [1, 2],
      [2, 3],
      [4, 3],
    ]);
    expect(points[4]?.along).toBe(points[2]?.along);
  });

  it("places any graph: sources before targets, nothing on top of another, twice the same", () => {
    const graphs = fc.integer({ min: 1, max: 40 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        pairs: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 80 }),
      }),
    );
    fc.assert(
      fc.property(graphs, ({ count, pairs }) => {
        const edges = pairs.filter(([one, other]) => one < other) as Edges;
        const points = lay(count, edges);
        expect(points).toHaveLength(count);
        for (const [source, target] of edges) {
          expect(points[source]?.along).toBeLessThan(points[target]?.along ?? 0);
        }
        expectNoOverlap(points);
        expect(lay(count, edges)).toEqual(points);
        // cycles are no workflow, but no reason to hang either
        expectNoOverlap(lay(count, pairs as Edges));
      }),
      { numRuns: 300, seed: 20261128 },
    );
  });

  it.each(Object.keys(SHAPES))("places 5,000 nodes in time: %s", (shape) => {
    const edges = SHAPES[shape]?.(5000) ?? [];
    const began = performance.now();
    const points = lay(5000, edges);
    expect(performance.now() - began).toBeLessThan(1500);
    expectNoOverlap(points);
  });
});
