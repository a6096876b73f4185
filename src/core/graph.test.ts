import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type DependencyGraph, findCycles, invertGraph, topologicalOrder } from "./graph.js";

/** A random acyclic graph: edges go from later to earlier nodes, then all nodes are shuffled. */
const acyclic = fc
  .integer({ min: 1, max: 40 })
  .chain((size) =>
    fc.tuple(
      fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: size * 3 }),
      fc.shuffledSubarray([...Array(size).keys()], { minLength: size, maxLength: size }),
    ),
  )
  .map(([pairs, place]) => {
    const graph: number[][] = place.map(() => []);
    for (const [one, other] of pairs) {
      const [from, to] = [place[Math.max(one, other)] ?? 0, place[Math.min(one, other)] ?? 0];
      if (one !== other && !graph[from]?.includes(to)) graph[from]?.push(to);
    }
    return graph;
  });

function expectRealCycle(graph: DependencyGraph, cycle: readonly number[]): void {
  expect(cycle.length).toBeGreaterThan(0);
  expect(new Set(cycle).size).toBe(cycle.length);
  cycle.forEach((node, at) => {
    expect(graph[node]).toContain(cycle[(at + 1) % cycle.length]);
  });
}

describe("graphs without cycles", () => {
  it("are ordered so that each node follows what it waits for, and have no cycle", () => {
    fc.assert(
      fc.property(acyclic, (graph) => {
        const order = topologicalOrder(graph) ?? [];
        expect([...order].sort((a, b) => a - b)).toEqual([...graph.keys()]);
        const place = new Map(order.map((node, at) => [node, at]));
        graph.forEach((needed, node) => {
          for (const dependency of needed) expect(place.get(dependency)).toBeLessThan(place.get(node) ?? -1);
        });
        expect(findCycles(graph)).toEqual([]);
      }),
    );
  });

  it("invert to and fro", () => {
    fc.assert(
      fc.property(acyclic, (graph) => {
        expect(invertGraph(invertGraph(graph))).toEqual(
          graph.map((needed) => [...needed].sort((a, b) => a - b)),
        );
      }),
    );
  });
});

describe("graphs with a planted cycle", () => {
  it("have no order, and every cycle found is real; the planted one's nodes are all covered", () => {
    const planted = acyclic.chain((graph) =>
      fc.tuple(
        fc.constant(graph),
        fc.shuffledSubarray([...graph.keys()], { minLength: 1, maxLength: graph.length }),
      ),
    );
    fc.assert(
      fc.property(planted, ([acyclicGraph, ring]) => {
        const graph = acyclicGraph.map((needed) => [...needed]);
        ring.forEach((node, at) => {
          const next = ring[(at + 1) % ring.length] ?? node;
          if (!graph[node]?.includes(next)) graph[node]?.push(next);
        });
        expect(topologicalOrder(graph)).toBeUndefined();
        const cycles = findCycles(graph);
        for (const cycle of cycles) expectRealCycle(graph, cycle);
        const covered = new Set(cycles.flat());
        for (const node of ring) expect(covered).toContain(node);
      }),
    );
  });

  it("are handled in linear time, however deep", () => {
    const size = 10_000;
    const ring = Array.from({ length: size }, (_, node) => [(node + 1) % size]);
    const startedAt = Date.now();
    expect(findCycles(ring)[0]).toHaveLength(size);
    const complete = Array.from({ length: 600 }, (_, node) =>
      [...Array(600).keys()].filter((other) => other !== node),
    );
    expect(findCycles(complete)).not.toHaveLength(0);
    expect(Date.now() - startedAt).toBeLessThan(1500);
  });
});
