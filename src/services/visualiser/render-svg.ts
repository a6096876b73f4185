import { detailOf, lookOf, type RenderedGraph } from "./render-graph.js";

const MARGIN = 24;
/** Characters that fit into a box, at the sizes below. */
const LABEL_FITS = 23;
const DETAIL_FITS = 34;
const EDGE_LABEL_FITS = 24;
/** XML 1.0 has no place for these, escaped or not. */
const UNFIT =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** A graph as one SVG picture: shapes and text alone, no script, no style sheet, nothing from elsewhere. */
export function renderSvg(graph: RenderedGraph, direction: "LR" | "TB", title: string): string {
  const width = graph.nodes.reduce((most, node) => Math.max(most, node.position.x + node.width), 0);
  const height = graph.nodes.reduce((most, node) => Math.max(most, node.position.y + node.height), 0);
  const nodeOf = new Map(graph.nodes.map((node) => [node.id, node]));
  const edges = graph.edges.map((edge) => {
    const source = nodeOf.get(edge.source);
    const target = nodeOf.get(edge.target);
    return source && target ? drawEdge(edge, source, target, direction) : "";
  });
  const size = [width + 2 * MARGIN, height + 2 * MARGIN];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" viewBox="${-MARGIN} ${-MARGIN} ${size[0]} ${size[1]}" font-family="system-ui, sans-serif" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>`,
    `<rect x="${-MARGIN}" y="${-MARGIN}" width="${size[0]}" height="${size[1]}" fill="#ffffff"/>`,
    ...edges,
    ...graph.nodes.map(drawNode),
    "</svg>\n",
  ].join("\n");
}

type Node = RenderedGraph["nodes"][number];

function drawNode(node: Node): string {
  const { fill, line } = lookOf(node);
  const detail = detailOf(node);
  const { label } = node.data;
  return [
    `<g transform="translate(${node.position.x} ${node.position.y})"><title>${escapeXml(`${label}\n${detail}`)}</title>`,
    `<rect width="${node.width}" height="${node.height}" rx="8" fill="${fill}" stroke="${line}" stroke-width="1.5"/>`,
    `<text x="12" y="24" font-size="14" font-weight="600" fill="#0f172a">${escapeXml(cut(label, LABEL_FITS))}</text>`,
    `<text x="12" y="43" font-size="11" fill="#475569">${escapeXml(cut(detail, DETAIL_FITS))}</text></g>`,
  ].join("");
}

function drawEdge(
  edge: RenderedGraph["edges"][number],
  source: Node,
  target: Node,
  direction: "LR" | "TB",
): string {
  const { start, end, bend } = routeEdge(source, target, direction);
  const dashes = edge.data.kind === "data" ? "" : ' stroke-dasharray="5 4"';
  const path = `<path d="M${start.x} ${start.y}${bend}" fill="none" stroke="#94a3b8" stroke-width="1.5"${dashes} marker-end="url(#end)"/>`;
  if (edge.label === "") return path;
  const text = escapeXml(cut(edge.label, EDGE_LABEL_FITS));
  return `<g><title>${escapeXml(edge.label)}</title>${path}<text x="${(start.x + end.x) / 2}" y="${(start.y + end.y) / 2 - 4}" font-size="10" fill="#475569" text-anchor="middle" stroke="#ffffff" stroke-width="3" paint-order="stroke">${text}</text></g>`;
}

/** From side to side; what leads back, as to a later phase, goes from edge to edge the other way. */
function routeEdge(source: Node, target: Node, direction: "LR" | "TB") {
  const isAlong =
    direction === "LR"
      ? target.position.x >= source.position.x + source.width
      : target.position.y >= source.position.y + source.height;
  const isSideways = (direction === "LR") === isAlong;
  const start = isSideways
    ? { x: source.position.x + source.width, y: source.position.y + source.height / 2 }
    : { x: source.position.x + source.width / 2, y: source.position.y + source.height };
  const end = isSideways
    ? { x: target.position.x, y: target.position.y + target.height / 2 }
    : { x: target.position.x + target.width / 2, y: target.position.y };
  const reach = Math.max(30, Math.abs(isSideways ? end.x - start.x : end.y - start.y) / 2);
  const bend = isSideways
    ? `C${start.x + reach} ${start.y} ${end.x - reach} ${end.y} ${end.x} ${end.y}`
    : `C${start.x} ${start.y + reach} ${end.x} ${end.y - reach} ${end.x} ${end.y}`;
  return { start, end, bend };
}

function cut(text: string, most: number): string {
  const characters = [...text.replaceAll(/\s+/g, " ")];
  return characters.length <= most ? characters.join("") : `${characters.slice(0, most - 1).join("")}…`;
}

/** Text for an element or an attribute. */
export function escapeXml(text: string): string {
  return text.replaceAll(UNFIT, "\ufffd").replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
