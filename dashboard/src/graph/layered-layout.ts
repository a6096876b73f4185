/** A box to be placed. */
export interface LayoutNode {
  readonly id: string;
}

/** `target` stands to the right of `source`. */
export interface LayoutEdge {
  readonly source: string;
  readonly target: string;
}

/** Upper left corner of a box. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** How large boxes are and how far apart. */
export interface LayoutSizes {
  readonly width: number;
  readonly height: number;
  readonly gapX: number;
  readonly gapY: number;
}

const SWEEPS = 4;

/**
 * Places a graph in layers from left to right: each box right of all that it waits for, boxes of a layer in an order
 * that crosses few edges, each near the middle of its neighbours. Takes time in proportion to boxes and edges; edges of
 * a cycle, which a workflow under work may have, are drawn backwards.
 */
export function layOutLayers(
  nodes: readonly LayoutNode[],
  edges: readonly LayoutEdge[],
  sizes: LayoutSizes,
): Map<string, Position> {
  const known = new Set(nodes.map(({ id }) => id));
  const own = edges.filter(
    ({ source, target }) => known.has(source) && known.has(target) && source !== target,
  );
  const before = groupBy(own, "target", "source");
  const after = groupBy(own, "source", "target");
  const layerOf = rankNodes(nodes, before, after);
  const layers: string[][] = [];
  for (const { id } of nodes) (layers[layerOf.get(id) ?? 0] ??= []).push(id);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1)
    orderLayers(layers, sweep % 2 === 0 ? before : after, sweep % 2 === 0);
  return placeNodes(layers, before, after, sizes);
}

type Neighbours = ReadonlyMap<string, readonly string[]>;

function groupBy(
  edges: readonly LayoutEdge[],
  key: "source" | "target",
  value: "source" | "target",
): Neighbours {
  const groups = new Map<string, string[]>();
  for (const edge of edges) {
    const group = groups.get(edge[key]);
    if (group) group.push(edge[value]);
    else groups.set(edge[key], [edge[value]]);
  }
  return groups;
}

/** The longest way from a beginning; boxes in a cycle go by the order they were given in. */
function rankNodes(nodes: readonly LayoutNode[], before: Neighbours, after: Neighbours): Map<string, number> {
  const rank = new Map<string, number>();
  const open = new Map(nodes.map(({ id }) => [id, before.get(id)?.length ?? 0]));
  const ready = nodes.filter(({ id }) => open.get(id) === 0).map(({ id }) => id);
  const rest = nodes.map(({ id }) => id);
  let restAt = 0;
  while (rank.size < nodes.length) {
    let id = ready.pop();
    if (id === undefined) {
      while (rank.has(rest[restAt] ?? "")) restAt += 1;
      id = rest[restAt];
      if (id === undefined) break;
    }
    if (rank.has(id)) continue;
    rank.set(id, Math.max(-1, ...(before.get(id) ?? []).map((other) => rank.get(other) ?? -1)) + 1);
    for (const next of after.get(id) ?? []) {
      const left = (open.get(next) ?? 1) - 1;
      open.set(next, left);
      if (left === 0 && !rank.has(next)) ready.push(next);
    }
  }
  return rank;
}

/** Sorts each layer by the mean place of its neighbours in the layer that was sorted before it. */
function orderLayers(layers: string[][], neighbours: Neighbours, isForward: boolean): void {
  const place = new Map<string, number>();
  for (const layer of layers)
    layer.forEach((id, index) => place.set(id, index / Math.max(1, layer.length - 1)));
  const order = isForward ? layers : [...layers].reverse();
  for (const layer of order) {
    const weight = new Map(
      layer.map((id) => {
        const places = (neighbours.get(id) ?? []).map((other) => place.get(other) ?? 0);
        const own = place.get(id) ?? 0;
        return [id, places.length === 0 ? own : mean(places)];
      }),
    );
    layer.sort((one, other) => (weight.get(one) ?? 0) - (weight.get(other) ?? 0));
    layer.forEach((id, index) => place.set(id, index / Math.max(1, layer.length - 1)));
  }
}

function placeNodes(
  layers: readonly string[][],
  before: Neighbours,
  after: Neighbours,
  { width, height, gapX, gapY }: LayoutSizes,
): Map<string, Position> {
  const step = height + gapY;
  const tallest = Math.max(1, ...layers.map(({ length }) => length));
  const y = new Map<string, number>();
  for (const layer of layers)
    layer.forEach((id, index) => y.set(id, ((tallest - layer.length) / 2 + index) * step));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isForward = sweep % 2 === 0;
    for (const layer of isForward ? layers : [...layers].reverse())
      alignLayer(layer, isForward ? before : after, y, step);
  }
  const top = Math.min(...y.values());
  return new Map(
    layers.flatMap((layer, column) =>
      layer.map((id) => [id, { x: column * (width + gapX), y: Math.round((y.get(id) ?? 0) - top) }] as const),
    ),
  );
}

/** Moves the boxes of a layer to the middle of their neighbours, in their order and no closer than a step. */
function alignLayer(
  layer: readonly string[],
  neighbours: Neighbours,
  y: Map<string, number>,
  step: number,
): void {
  const wanted = layer.map((id) => {
    const places = (neighbours.get(id) ?? []).map((other) => y.get(other) ?? 0);
    return places.length === 0 ? (y.get(id) ?? 0) : mean(places);
  });
  const down: number[] = [];
  wanted.forEach((at, index) =>
    down.push(Math.max(at, (down[index - 1] ?? Number.NEGATIVE_INFINITY) + step)),
  );
  const up: number[] = [];
  for (let index = wanted.length - 1; index >= 0; index -= 1)
    up[index] = Math.min(wanted[index] ?? 0, (up[index + 1] ?? Number.POSITIVE_INFINITY) - step);
  layer.forEach((id, index) => y.set(id, ((down[index] ?? 0) + (up[index] ?? 0)) / 2));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
