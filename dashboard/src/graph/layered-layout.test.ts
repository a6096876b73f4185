import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { layOutLayers } from "./layered-layout.js";

const SIZES = { width: 200, height: 50, gapX: 60, gapY: 20 };
const nodesOf = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `n${index}` }));

describe("layOutLayers", () => {
  it("puts a chain in a row, and parallel steps under each other, centred", () => {
    const edges = [
      ["n0", "n1"],
      ["n0", "n2"],
      ["n1", "n3"],
      ["n2", "n3"],
    ].map(([source = "", target = ""]) => ({ source, target }));
    const places = layOutLayers(nodesOf(4), edges, SIZES);
    expect([...places.values()].map(({ x }) => x).sort((a, b) => a - b)).toEqual([0, 260, 260, 520]);
    expect(Math.abs((places.get("n1")?.y ?? 0) - (places.get("n2")?.y ?? 0))).toBe(70);
    expect(places.get("n0")?.y).toBe(places.get("n3")?.y);
  });

  it("places every box right of what it waits for, and no two over each other, whatever the graph", () => {
    const graphs = fc.integer({ min: 1, max: 40 }).chain((count) =>
      fc.record({
        count: fc.constant(count),
        pairs: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 80 }),
      }),
    );
    fc.assert(
      fc.property(graphs, ({ count, pairs }) => {
        const edges = pairs
          .filter(([one, other]) => one !== other)
          .map(([one, other]) => ({
            source: `n${Math.min(one, other)}`,
            target: `n${Math.max(one, other)}`,
          }));
        const places = layOutLayers(nodesOf(count), edges, SIZES);
        expect(places.size).toBe(count);
        for (const { source, target } of edges)
          expect(places.get(target)?.x ?? 0).toBeGreaterThan(places.get(source)?.x ?? 0);
        const all = [...places.values()];
        for (const [index, one] of all.entries())
          for (const other of all.slice(index + 1))
            expect(one.x !== other.x || Math.abs(one.y - other.y) >= SIZES.height).toBe(true);
      }),
    );
  });

  it("draws a graph with a cycle, and one with edges to nowhere", () => {
    const edges = [
      { source: "n0", target: "n1" },
      { source: "n1", target: "n0" },
      { source: "n1", target: "gone" },
    ];
    expect(layOutLayers(nodesOf(3), edges, SIZES).size).toBe(3);
  });

  it("takes time in proportion to 5,000 steps", () => {
    const nodes = nodesOf(5000);
    const edges = nodes.flatMap((_, index) =>
      index < 50 ? [] : [50, 37, 11].map((back) => ({ source: `n${index - back}`, target: `n${index}` })),
    );
    const startedAt = performance.now();
    layOutLayers(nodes, edges, SIZES);
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });
});
