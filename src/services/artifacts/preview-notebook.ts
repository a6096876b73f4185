import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";

/** One output of a cell; HTML and scripts are never among them. */
export type OutputPreview =
  | { readonly kind: "text" | "error"; readonly text: string }
  | { readonly kind: "image"; readonly mimeType: "image/png" | "image/jpeg"; readonly data: string };

/** One cell of a notebook. */
export interface CellPreview {
  readonly cellType: string;
  readonly source: string;
  readonly outputs: OutputPreview[];
}

const MOST_CELLS = 200;
const MOST_OUTPUTS = 20;
const MOST_CHARS = 20_000;
const MOST_IMAGE_CHARS = 512 * 1024;
const ESCAPES = /\u001b\[[0-9;]*[A-Za-z]/g;

/** The cells of a notebook with what they showed, within limits; undefined when it is none. */
export function previewNotebook(value: unknown): { cells: CellPreview[]; isCut: boolean } | undefined {
  const cells = isJsonObject(value) ? value["cells"] : undefined;
  if (!Array.isArray(cells)) return undefined;
  const shown = cells.slice(0, MOST_CELLS).filter(isJsonObject).map(toCell);
  return { cells: shown, isCut: cells.length > MOST_CELLS };
}

function toCell(cell: JsonObject): CellPreview {
  const outputs = Array.isArray(cell["outputs"]) ? cell["outputs"] : [];
  return {
    cellType: String(cell["cell_type"] ?? "raw").slice(0, 20),
    source: toText(cell["source"]),
    outputs: outputs.slice(0, MOST_OUTPUTS).filter(isJsonObject).flatMap(toOutput),
  };
}

function toOutput(output: JsonObject): OutputPreview[] {
  if (output["output_type"] === "stream") return [{ kind: "text", text: toText(output["text"]) }];
  if (output["output_type"] === "error") {
    const text = Array.isArray(output["traceback"]) ? output["traceback"].join("\n") : output["evalue"];
    return [{ kind: "error", text: toText(text as JsonValue) }];
  }
  const data = isJsonObject(output["data"]) ? output["data"] : {};
  for (const mimeType of ["image/png", "image/jpeg"] as const) {
    const image = [data[mimeType] ?? ""].flat().join("").replaceAll("\n", "");
    if (/^[A-Za-z0-9+/]+={0,2}$/.test(image) && image.length <= MOST_IMAGE_CHARS) {
      return [{ kind: "image", mimeType, data: image }];
    }
  }
  return data["text/plain"] === undefined ? [] : [{ kind: "text", text: toText(data["text/plain"]) }];
}

/** Texts are lines in a list, or one text. */
function toText(value: JsonValue | undefined): string {
  return [value ?? ""].flat().map(String).join("").replace(ESCAPES, "").slice(0, MOST_CHARS);
}
