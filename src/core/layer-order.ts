import type { LayeredGraph } from "./layered-layout.js";

const SWEEPS = 8;

/** Orders the nodes of each layer so that few edges cross: by the means of their neighbours, to and fro, the best kept. */
export function orderLayers(graph: LayeredGraph): void {
  const { layers, before, after } = graph;
  const place = new Array<number>(before.length).fill(0);
  const settle = (layer: readonly number[]) => {
    layer.forEach((node, index) => {
      place[node] = index;
    });
  };
  layers.forEach(settle);
  let best = layers.map((layer) => [...layer]);
  let fewest = countCrossings(graph, place);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const isForward = sweep % 2 === 0;
    const neighbours = isForward ? before : after;
    for (let step = 1; step < layers.length; step += 1) {
      const at = isForward ? step : layers.length - 1 - step;
      sortByMeans(layers[at] ?? [], neighbours, place);
      settle(layers[at] ?? []);
    }
    const crossings = countCrossings(graph, place);
    if (crossings >= fewest) continue;
    fewest = crossings;
    best = layers.map((layer) => [...layer]);
  }
  layers.splice(0, layers.length, ...best);
}

function sortByMeans(
  layer: number[],
  neighbours: readonly (readonly number[])[],
  place: readonly number[],
): void {
  const means = new Map<number, number>();
  for (const node of layer) {
    const joined = neighbours[node] ?? [];
    const sum = joined.reduce((total, neighbour) => total + (place[neighbour] ?? 0), 0);
    means.set(node, joined.length === 0 ? (place[node] ?? 0) : sum / joined.length);
  }
  // the sort is stable, and ties go by number: the same graph always ends in the same order
  layer.sort((one, other) => (means.get(one) ?? 0) - (means.get(other) ?? 0) || one - other);
}

/** Pairs of edges between neighbouring layers that cross, counted with a Fenwick tree. */
function countCrossings({ layers, after }: LayeredGraph, place: readonly number[]): number {
  let crossings = 0;
  layers.forEach((layer, at) => {
    const width = layers[at + 1]?.length ?? 0;
    if (width === 0) return;
    const tree = new Uint32Array(width + 1);
    let counted = 0;
    for (const node of layer) {
      const ends = (after[node] ?? []).map((target) => place[target] ?? 0).sort((one, other) => one - other);
      for (const end of ends) {
        let notBeyond = 0;
        for (let slot = Math.min(end + 1, width); slot > 0; slot -= slot & -slot)
          notBeyond += tree[slot] ?? 0;
        crossings += counted - notBeyond;
      }
      for (const end of ends) {
        for (let slot = Math.min(end + 1, width); slot <= width; slot += slot & -slot)
          tree[slot] = (tree[slot] ?? 0) + 1;
        counted += 1;
      }
    }
  });
  return crossings;
}
