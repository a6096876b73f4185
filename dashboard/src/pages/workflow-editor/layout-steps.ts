import dagre from "@dagrejs/dagre";
import { edgesOf, type PlacedStep, STEP_LISTS } from "./definition-model.js";

/** How large a step is drawn. */
export const STEP_SIZE = { width: 196, height: 58 } as const;
/** Upper left corners by step key. */
export type Places = Readonly<Record<string, { readonly x: number; readonly y: number }>>;

const GAP = 60;

/** Places for all steps: each list of the definition by itself, one below the other, growing to the right. */
export function layOutSteps(steps: readonly PlacedStep[]): Places {
  const edges = edgesOf(steps);
  const places: Record<string, { x: number; y: number }> = {};
  let top = 0;
  for (const list of STEP_LISTS) {
    const own = steps.filter((step) => step.list === list);
    if (own.length === 0) continue;
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({ rankdir: "LR", nodesep: 26, ranksep: 56 });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const { key } of own) graph.setNode(key, { ...STEP_SIZE });
    for (const { source, target } of edges) {
      if (own.some(({ key }) => key === source)) graph.setEdge(source, target);
    }
    dagre.layout(graph);
    let bottom = top;
    for (const { key } of own) {
      const { x, y } = graph.node(key) as { x: number; y: number };
      const place = { x: x - STEP_SIZE.width / 2, y: top + y - STEP_SIZE.height / 2 };
      places[key] = place;
      bottom = Math.max(bottom, place.y + STEP_SIZE.height);
    }
    top = bottom + GAP;
  }
  return places;
}

/** Where a further step may stand without covering another. */
export function freePlace(places: Places): { readonly x: number; readonly y: number } {
  const all = Object.values(places);
  if (all.length === 0) return { x: 0, y: 0 };
  const right = Math.max(...all.map(({ x }) => x));
  const at = all.find(({ x }) => x === right);
  return { x: right + STEP_SIZE.width + 70, y: at?.y ?? 0 };
}
