import { detailOf, lookOf, type RenderedGraph } from "./render-graph.js";

/** A graph as a Mermaid flowchart. Names are made up, and text is escaped, so that no label can add to the chart. */
export function renderMermaid(graph: RenderedGraph, direction: "LR" | "TB"): string {
  const nameOf = new Map(graph.nodes.map((node, index) => [node.id, `n${index}`]));
  const nodes = graph.nodes.map((node, index) => {
    const detail = detailOf(node);
    const text = escapeMermaid(node.data.label) + (detail === "" ? "" : `<br/>${escapeMermaid(detail)}`);
    return `  n${index}["${text}"]`;
  });
  const edges = graph.edges.flatMap((edge) => {
    const source = nameOf.get(edge.source);
    const target = nameOf.get(edge.target);
    if (source === undefined || target === undefined) return [];
    const arrow = edge.data.kind === "data" ? "-->" : "-.->";
    const label = edge.label === "" ? "" : `|"${escapeMermaid(edge.label)}"|`;
    return [`  ${source} ${arrow}${label} ${target}`];
  });
  return [`flowchart ${direction}`, ...nodes, ...edges, ...styleNodes(graph), ""].join("\n");
}

/** One class for each look that occurs. */
function styleNodes(graph: RenderedGraph): string[] {
  const members = new Map<string, string[]>();
  graph.nodes.forEach((node, index) => {
    const { fill, line } = lookOf(node);
    const style = `fill:${fill},stroke:${line},color:#0f172a`;
    members.set(style, [...(members.get(style) ?? []), `n${index}`]);
  });
  return [...members].flatMap(([style, names], index) => [
    `  classDef c${index} ${style}`,
    `  class ${names.join(",")} c${index}`,
  ]);
}

/** Everything but letters, digits and harmless signs as an entity of Mermaid's: `#35;`. */
function escapeMermaid(text: string): string {
  return [...text.replaceAll(/\s+/g, " ")]
    .map((character) =>
      /[\p{L}\p{N} .,:/@_+←→·…()-]/u.test(character) ? character : `#${character.codePointAt(0)};`,
    )
    .join("");
}
