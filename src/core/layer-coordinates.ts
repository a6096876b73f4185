import type { LayeredGraph } from "./layered-layout.js";

/** Sweeps that look one way pull chains straight, those after them, that look both ways, keep them from drifting. */
const SWEEPS = 12;
const ONE_WAY_SWEEPS = 4;
/** A bend of an edge takes less room than a node. */
const BEND_SHARE = 0.35;

/**
 * A position across the layers for each node, bends included: as near as can be to the mean of its neighbours, in the
 * order of its layer and no nearer to the next node than `gap`. The least is 0.
 */
export function fitLayers(graph: LayeredGraph, gap: number): number[] {
  const { layers, before, after, count } = graph;
  const roomOf = (node: number) => (node < count ? gap : gap * BEND_SHARE);
  const positions = new Array<number>(before.length).fill(0);
  const offsets = layers.map((layer) => {
    let offset = 0;
    return layer.map((node, index) => {
      if (index > 0) offset += (roomOf(layer[index - 1] ?? node) + roomOf(node)) / 2;
      return offset;
    });
  });
  layers.forEach((layer, at) => {
    const middle = (offsets[at]?.at(-1) ?? 0) / 2;
    layer.forEach((node, index) => {
      positions[node] = (offsets[at]?.[index] ?? 0) - middle;
    });
  });
  const both = before.map((list, node) => [...list, ...(after[node] ?? [])]);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    const neighbours = sweep >= ONE_WAY_SWEEPS ? both : isForward ? before : after;
    for (let step = sweep >= ONE_WAY_SWEEPS ? 0 : 1; step < layers.length; step += 1) {
      const at = isForward ? step : layers.length - 1 - step;
      fitLayer(layers[at] ?? [], offsets[at] ?? [], neighbours, positions);
    }
  }
  const least = layers.flat().reduce((low, node) => Math.min(low, positions[node] ?? 0), Infinity);
  return positions.map((position) => position - least);
}

/** Isotonic regression by pooling adjacent violators: the least squares under the order and the distances. */
function fitLayer(
  layer: readonly number[],
  offsets: readonly number[],
  neighbours: readonly (readonly number[])[],
  positions: number[],
): void {
  const pools: { sum: number; weight: number; size: number }[] = [];
  layer.forEach((node, index) => {
    const joined = neighbours[node] ?? [];
    const weight = joined.length === 0 ? 0.1 : 1;
    const sum = joined.reduce((total, neighbour) => total + (positions[neighbour] ?? 0), 0);
    const wanted = joined.length === 0 ? (positions[node] ?? 0) : sum / joined.length;
    let pool = { sum: (wanted - (offsets[index] ?? 0)) * weight, weight, size: 1 };
    for (
      let last = pools.at(-1);
      last && last.sum / last.weight >= pool.sum / pool.weight;
      last = pools.at(-1)
    ) {
      pool = { sum: pool.sum + last.sum, weight: pool.weight + last.weight, size: pool.size + last.size };
      pools.pop();
    }
    pools.push(pool);
  });
  let index = 0;
  for (const pool of pools) {
    for (let left = pool.size; left > 0; left -= 1, index += 1) {
      positions[layer[index] ?? 0] = pool.sum / pool.weight + (offsets[index] ?? 0);
    }
  }
}
