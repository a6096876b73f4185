import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { ExecutionError } from "../types.js";
import type { NotebookConfig } from "./definition.js";

/** A cell as nbformat 4.5 has it. */
export interface NotebookCell {
  readonly id: string;
  readonly cell_type: "code" | "markdown" | "raw";
  readonly metadata: JsonObject;
  readonly source: string;
  readonly attachments?: JsonValue;
  /** Of code cells alone, as the next. */
  outputs?: JsonObject[];
  execution_count?: number | null;
}

/** A notebook as nbformat 4.5 has it. */
export interface NotebookDocument {
  readonly nbformat: 4;
  readonly nbformat_minor: 5;
  readonly metadata: JsonObject;
  readonly cells: NotebookCell[];
}

const PYTHON_NAME = /^(?!__)[A-Za-z_][A-Za-z0-9_]*$/;
const PYTHON_KEYWORDS = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from " +
    "global if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);
const CELL_ID = /^[a-zA-Z0-9_-]{1,64}$/;
const PARAMETERS = "parameters";
const INJECTED = "injected-parameters";

/**
 * The notebook that is executed: without the outputs of earlier executions, and with the parameters in a cell tagged
 * `injected-parameters`, after the cell tagged `parameters`, or first where there is none (papermill's convention).
 * @throws ExecutionError `invalid_input` naming each parameter that no Python variable can be.
 */
export function buildNotebook(config: NotebookConfig, input: JsonObject): NotebookDocument {
  const values = { ...config.parameters, ...input };
  const faults = Object.entries(values).flatMap(([name, value]) => findParameterFaults(name, value));
  if (faults.length > 0) throw new ExecutionError("invalid_input", faults.join("; "));
  const cells = listCells(config);
  if (Object.keys(values).length > 0) inject(cells, values);
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      ...(config.notebook?.metadata as JsonObject | undefined),
      kernelspec: { name: config.kernel, display_name: config.kernel, language: "python" },
    },
    cells: withIds(cells),
  };
}

/** Seconds that each cell may take: its metadata `timeout`, its tag `timeout=SECONDS`, or the configuration's. */
export function listCellTimeouts(
  notebook: NotebookDocument,
  cellTimeoutSeconds: number | undefined,
): (number | null)[] {
  return notebook.cells.map((cell) => {
    const tag = tagsOf(cell).find((each) => /^timeout=\d+(\.\d+)?$/.test(each));
    const own = Number(cell.metadata["timeout"] ?? tag?.slice("timeout=".length));
    return Number.isFinite(own) && own > 0 ? own : (cellTimeoutSeconds ?? null);
  });
}

function listCells({ notebook, cells }: NotebookConfig): Omit<NotebookCell, "id">[] {
  if (notebook === undefined) {
    return (cells ?? []).map(({ cellType, source, tags }) =>
      toCell({ cell_type: cellType, source, metadata: tags ? { tags } : {} }),
    );
  }
  return notebook.cells.map(({ cell_type, source, metadata, ...rest }) => ({
    ...toCell({
      cell_type,
      source: Array.isArray(source) ? source.join("") : source,
      metadata: (metadata ?? {}) as JsonObject,
    }),
    ...(typeof rest["id"] === "string" && { id: rest["id"] }),
    ...(isJsonObject(rest["attachments"] as JsonValue) && {
      attachments: rest["attachments"] as JsonValue,
    }),
  }));
}

function toCell(cell: Pick<NotebookCell, "cell_type" | "source" | "metadata">): Omit<NotebookCell, "id"> {
  return cell.cell_type === "code" ? { ...cell, outputs: [], execution_count: null } : cell;
}

function tagsOf(cell: Pick<NotebookCell, "metadata">): string[] {
  const tags = cell.metadata["tags"];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

function inject(cells: Omit<NotebookCell, "id">[], values: JsonObject): void {
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${toPython(value)}`);
  const cell = toCell({
    cell_type: "code",
    source: ["# Parameters", ...lines].join("\n"),
    metadata: { tags: [INJECTED] },
  });
  const earlier = cells.findIndex((each) => tagsOf(each).includes(INJECTED));
  if (earlier !== -1) {
    cells[earlier] = cell;
    return;
  }
  cells.splice(cells.findIndex((each) => tagsOf(each).includes(PARAMETERS)) + 1, 0, cell);
}

/** JSON's texts are Python's too: it knows the same escapes. */
function toPython(value: JsonValue): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(toPython).join(", ")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${toPython(member)}`);
  return `{${members.join(", ")}}`;
}

function findParameterFaults(name: string, value: JsonValue): string[] {
  if (!PYTHON_NAME.test(name) || PYTHON_KEYWORDS.has(name)) {
    return [`The input ${JSON.stringify(name).slice(0, 100)} is not the name of a Python variable`];
  }
  return holdsNoNumber(value) ? [`The input ${name} holds a number that JSON does not have`] : [];
}

function holdsNoNumber(value: JsonValue): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((member) => holdsNoNumber(member));
}

/** nbformat 4.5 wants ids that are unique; older notebooks have none. */
function withIds(cells: readonly (Omit<NotebookCell, "id"> & { id?: string })[]): NotebookCell[] {
  const taken = new Set<string>();
  return cells.map((cell, index) => {
    const isFree = cell.id !== undefined && CELL_ID.test(cell.id) && !taken.has(cell.id);
    let id = isFree ? (cell.id as string) : `cell-${index}`;
    while (taken.has(id)) id = `${id}-x`.slice(-64);
    taken.add(id);
    return { ...cell, id };
  });
}
