import * as dagre from "@dagrejs/dagre";
import type { GraphDirection } from "../../contracts/api/graphs.js";
import { layOutLayers } from "../../core/layered-layout.js";

/** The size of every box, in pixels. */
export const NODE_SIZE = { width: 220, height: 56 } as const;
const GAP = { layers: 100, nodes: 32 } as const;
/** dagre takes seconds for graphs of a thousand nodes (docs/adr/0021): above this ours does it. */
const MOST_FOR_DAGRE = { nodes: 80, edges: 160 } as const;

/** What is laid out: ids, in an order that is always the same for the same graph. */
export interface GraphShape {
  readonly nodes: readonly { readonly id: string }[];
  readonly edges: readonly { readonly source: string; readonly target: string }[];
}

/** Where a box goes. */
export interface Placement {
  readonly position: { readonly x: number; readonly y: number };
  readonly width: number;
  readonly height: number;
  readonly sourcePosition: "right" | "bottom";
  readonly targetPosition: "left" | "top";
}

/** A place for each node, in their order: whole pixels, the upper left corners, the least at 0. Same graph, same places. */
export function layOutGraph(graph: GraphShape, direction: GraphDirection): Placement[] {
  const isSmall = graph.nodes.length <= MOST_FOR_DAGRE.nodes && graph.edges.length <= MOST_FOR_DAGRE.edges;
  const corners = isSmall ? placeByDagre(graph, direction) : placeByLayers(graph, direction);
  const least = corners.reduce(
    (low, corner) => ({ x: Math.min(low.x, corner.x), y: Math.min(low.y, corner.y) }),
    { x: Infinity, y: Infinity },
  );
  const sides =
    direction === "LR"
      ? ({ sourcePosition: "right", targetPosition: "left" } as const)
      : ({ sourcePosition: "bottom", targetPosition: "top" } as const);
  return corners.map((corner) => ({
    position: { x: Math.round(corner.x - least.x), y: Math.round(corner.y - least.y) },
    ...NODE_SIZE,
    ...sides,
  }));
}

interface Corner {
  readonly x: number;
  readonly y: number;
}

function placeByDagre({ nodes, edges }: GraphShape, direction: GraphDirection): Corner[] {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: direction, ranksep: GAP.layers, nodesep: GAP.nodes });
  for (const { id } of nodes) graph.setNode(id, { ...NODE_SIZE });
  for (const { source, target } of edges) graph.setEdge(source, target, {});
  dagre.layout(graph);
  return nodes.map(({ id }) => {
    const { x, y } = graph.node(id) as Corner;
    return { x: x - NODE_SIZE.width / 2, y: y - NODE_SIZE.height / 2 };
  });
}

function placeByLayers({ nodes, edges }: GraphShape, direction: GraphDirection): Corner[] {
  const indexOf = new Map(nodes.map(({ id }, index) => [id, index]));
  const isAcross = direction === "LR";
  const points = layOutLayers({
    count: nodes.length,
    edges: edges.flatMap(({ source, target }): [number, number][] => {
      const one = indexOf.get(source);
      const other = indexOf.get(target);
      return one === undefined || other === undefined ? [] : [[one, other]];
    }),
    layerGap: GAP.layers + (isAcross ? NODE_SIZE.width : NODE_SIZE.height),
    nodeGap: GAP.nodes + (isAcross ? NODE_SIZE.height : NODE_SIZE.width),
  });
  return points.map(({ along, across }) => (isAcross ? { x: along, y: across } : { x: across, y: along }));
}
