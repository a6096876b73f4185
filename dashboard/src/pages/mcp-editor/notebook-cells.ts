import type { Config } from "./mcp-draft.js";

/** A cell of a notebook. */
export interface Cell {
  readonly cellType: "code" | "markdown";
  readonly source: string;
  readonly tags?: readonly string[];
}

/** The cells of a configuration, whether it holds them plainly or as Jupyter writes them. */
export function cellsOf(config: Config): Cell[] {
  if (Array.isArray(config["cells"])) return config["cells"] as Cell[];
  const notebook = config["notebook"] as { readonly cells?: unknown } | undefined;
  if (!Array.isArray(notebook?.cells)) return [];
  return (notebook.cells as JupyterCell[]).map(fromJupyter);
}

interface JupyterCell {
  readonly cell_type?: string;
  readonly source?: string | readonly string[];
  readonly metadata?: { readonly tags?: readonly string[] };
}

function fromJupyter({ cell_type, source = "", metadata }: JupyterCell): Cell {
  return {
    cellType: cell_type === "code" ? "code" : "markdown",
    source: typeof source === "string" ? source : source.join(""),
    ...(metadata?.tags && metadata.tags.length > 0 ? { tags: metadata.tags } : {}),
  };
}

/** The cells of a `.ipynb` file. @throws Error when it is none */
export function readNotebook(text: string): Cell[] {
  const notebook = JSON.parse(text) as { readonly nbformat?: unknown; readonly cells?: unknown };
  if (notebook.nbformat !== 4 || !Array.isArray(notebook.cells)) {
    throw new Error("This is no notebook of format 4. Older ones can be converted with `jupyter nbconvert`.");
  }
  return (notebook.cells as JupyterCell[]).map(fromJupyter);
}

/** The cells with one moved up or down; the same when it has nowhere to go. */
export function moveCell(cells: readonly Cell[], index: number, by: -1 | 1): Cell[] {
  const next = [...cells];
  const [cell] = next.splice(index, 1);
  const to = index + by;
  if (!cell || to < 0 || to > next.length) return [...cells];
  next.splice(to, 0, cell);
  return next;
}
