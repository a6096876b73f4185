import { fitLayers } from "./layer-coordinates.js";
import { orderLayers } from "./layer-order.js";

/** A graph by number: nodes are 0 … count - 1. */
export interface LayoutInput {
  readonly count: number;
  readonly edges: readonly (readonly [source: number, target: number])[];
  /** From one layer to the next, and from one node to the next in its layer; centre to centre. */
  readonly layerGap: number;
  readonly nodeGap: number;
}

/** Where a node's centre is: along the layers, and across them. */
export interface LayoutPoint {
  readonly along: number;
  readonly across: number;
}

/** A graph in layers; nodes from `count` on stand for the bends of long edges. */
export interface LayeredGraph {
  readonly count: number;
  readonly layers: number[][];
  /** For each node, its neighbours in the layers before and after. */
  readonly before: number[][];
  readonly after: number[][];
}

/** Beyond so many bends for each node long edges run straight: they would cost more than they make clear. */
const BENDS_PER_NODE = 4;
const LEAST_BENDS = 2000;

/**
 * Places the nodes of a directed graph in layers (Sugiyama's method: layers by longest path, crossings by medians,
 * positions by isotonic regression). The same input gives the same output; time is near linear in nodes and edges,
 * also where a layer holds thousands. Edges that close a cycle are left out of account.
 */
export function layOutLayers(input: LayoutInput): LayoutPoint[] {
  const edges = withoutCycles(input);
  const isJoined = new Array<boolean>(input.count).fill(false);
  for (const [source, target] of edges) isJoined[source] = isJoined[target] = true;
  const rankOf = rankNodes(input.count, edges);
  const graph = buildLayers(input.count, edges, rankOf, isJoined);
  orderLayers(graph);
  const across = fitLayers(graph, input.nodeGap);
  const points: LayoutPoint[] = Array.from({ length: input.count }, (_, node) => ({
    along: (rankOf[node] ?? 0) * input.layerGap,
    across: across[node] ?? 0,
  }));
  placeLoners(points, isJoined, input);
  return points;
}

/** The edges in an order that does not depend on how they were given twice, less those that close a cycle. */
function withoutCycles({ count, edges }: LayoutInput): [number, number][] {
  const targets: number[][] = Array.from({ length: count }, () => []);
  for (const [source, target] of edges) if (source !== target) targets[source]?.push(target);
  const state = new Uint8Array(count); // 0 unseen, 1 on the path, 2 done
  const kept: [number, number][] = [];
  for (let root = 0; root < count; root += 1) {
    if (state[root] !== 0) continue;
    const path = [{ node: root, next: 0 }];
    state[root] = 1;
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const target = targets[top.node]?.[top.next];
      top.next += 1;
      if (target === undefined) {
        state[top.node] = 2;
        path.pop();
      } else if (state[target] !== 1) {
        kept.push([top.node, target]);
        if (state[target] === 0) {
          state[target] = 1;
          path.push({ node: target, next: 0 });
        }
      }
    }
  }
  return kept;
}

/** The longest path to each node; what has no source moves up to the first that it leads to. */
function rankNodes(count: number, edges: readonly (readonly [number, number])[]): number[] {
  const targets: number[][] = Array.from({ length: count }, () => []);
  const open = new Array<number>(count).fill(0);
  for (const [source, target] of edges) {
    targets[source]?.push(target);
    open[target] = (open[target] ?? 0) + 1;
  }
  const isSource = open.map((sources) => sources === 0);
  const ranks = new Array<number>(count).fill(0);
  const queue = open.flatMap((sources, node) => (sources === 0 ? [node] : []));
  for (let at = 0; at < queue.length; at += 1) {
    const node = queue[at] ?? 0;
    for (const target of targets[node] ?? []) {
      ranks[target] = Math.max(ranks[target] ?? 0, (ranks[node] ?? 0) + 1);
      open[target] = (open[target] ?? 0) - 1;
      if (open[target] === 0) queue.push(target);
    }
  }
  targets.forEach((list, node) => {
    if (!isSource[node] || list.length === 0) return;
    ranks[node] = list.reduce((least, target) => Math.min(least, ranks[target] ?? 0), Infinity) - 1;
  });
  return ranks;
}

function buildLayers(
  count: number,
  edges: readonly (readonly [number, number])[],
  rankOf: readonly number[],
  isJoined: readonly boolean[],
): LayeredGraph {
  const depth = edges.reduce((most, [, target]) => Math.max(most, rankOf[target] ?? 0), 0);
  const layers: number[][] = Array.from({ length: depth + 1 }, () => []);
  for (let node = 0; node < count; node += 1) if (isJoined[node]) layers[rankOf[node] ?? 0]?.push(node);
  const before: number[][] = Array.from({ length: count }, () => []);
  const after: number[][] = Array.from({ length: count }, () => []);
  const spans = edges.map(([source, target]) => (rankOf[target] ?? 0) - (rankOf[source] ?? 0));
  const bends = spans.reduce((sum, span) => sum + span - 1, 0);
  const hasBends = bends <= Math.max(LEAST_BENDS, BENDS_PER_NODE * count);
  const join = (one: number, other: number) => {
    after[one]?.push(other);
    before[other]?.push(one);
  };
  edges.forEach(([source, target], index) => {
    let last = source;
    for (let step = 1; hasBends && step < (spans[index] ?? 1); step += 1) {
      const bend = before.length;
      before.push([]);
      after.push([]);
      layers[(rankOf[source] ?? 0) + step]?.push(bend);
      join(last, bend);
      last = bend;
    }
    join(last, target);
  });
  return { count, layers, before, after };
}

/** Nodes that nothing joins stand in a square below the others. */
function placeLoners(points: LayoutPoint[], isJoined: readonly boolean[], input: LayoutInput): void {
  const loners = points.flatMap((_, node) => (isJoined[node] ? [] : [node]));
  if (loners.length === 0) return;
  const hasOthers = loners.length < points.length;
  const lowest = points.reduce(
    (most, point, node) => (isJoined[node] ? Math.max(most, point.across) : most),
    -Infinity,
  );
  const top = hasOthers ? lowest + 2 * input.nodeGap : 0;
  const columns = Math.ceil(Math.sqrt((loners.length * input.nodeGap) / input.layerGap));
  loners.forEach((node, index) => {
    points[node] = {
      along: (index % columns) * input.layerGap,
      across: top + Math.floor(index / columns) * input.nodeGap,
    };
  });
}
