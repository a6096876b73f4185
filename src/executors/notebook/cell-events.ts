import type { JsonObject, JsonValue } from "../../core/json.js";
import { cleanText } from "../script/line-splitter.js";
import type { ArtifactRef, ExecutionContext } from "../types.js";

/** Text of one output in an event; the whole is in the executed notebook. */
const MAX_TEXT = 4_000;
const MAX_OUTPUTS = 20;
/** Images and tables of one execution that become artifacts of their own. */
const MAX_FILES = 40;
const MAX_FILE_BYTES = 5 * 1024 * 1024;
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

/** What a person wants to see of an output, best first, and the ending of its file. */
const FILE_TYPES: Readonly<Record<string, string>> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
  "text/html": "html",
};

/** Reduces outputs of cells to what an event can carry. */
export interface CellEvents {
  /**
   * Outputs of nbformat as short texts and references to artifacts. Markup is never among the texts: images and HTML
   * are kept as files, which are served so that no script in them can act for who looks at them.
   */
  toEventOutputs(cell: number, outputs: readonly JsonObject[]): Promise<JsonObject[]>;
}

/** Bounds hold for the whole execution. */
export function createCellEvents({
  artifacts,
  mask,
}: Pick<ExecutionContext, "artifacts" | "mask">): CellEvents {
  let fileCount = 0;

  async function saveFile(name: string, bundle: JsonObject): Promise<ArtifactRef | undefined> {
    const type = Object.keys(FILE_TYPES).find((each) => typeof bundle[each] === "string");
    if (type === undefined || fileCount >= MAX_FILES) return undefined;
    const isBinary = type.startsWith("image/") && type !== "image/svg+xml";
    const data = String(bundle[type]);
    const bytes = isBinary ? Buffer.from(data, "base64") : Buffer.from(mask.text(data), "utf8");
    if (bytes.length === 0 || bytes.length > MAX_FILE_BYTES) return undefined;
    fileCount += 1;
    return await artifacts.save({ name: `${name}.${FILE_TYPES[type]}`, contentType: type }, bytes);
  }

  async function toEventOutput(output: JsonObject, name: string): Promise<JsonObject> {
    switch (output["output_type"]) {
      case "stream":
        return { type: "stream", name: toText(output["name"]), ...cut(output["text"]) };
      case "error":
        return {
          type: "error",
          ename: toText(output["ename"]).slice(0, 200),
          evalue: toText(output["evalue"]).slice(0, MAX_TEXT),
          ...cut(toText(output["traceback"]).replace(ANSI, "")),
        };
      default: {
        const bundle = (output["data"] ?? {}) as JsonObject;
        const file = await saveFile(name, bundle);
        return {
          type: output["output_type"] === "execute_result" ? "result" : "display",
          mimeTypes: Object.keys(bundle).slice(0, 20),
          ...(bundle["text/plain"] !== undefined && cut(bundle["text/plain"])),
          ...(file && { artifact: { ...file } }),
        };
      }
    }
  }

  return {
    async toEventOutputs(cell, outputs) {
      const shown: JsonObject[] = [];
      for (const [at, output] of outputs.slice(0, MAX_OUTPUTS).entries()) {
        shown.push(await toEventOutput(output, `cell-${cell}-output-${at}`));
      }
      if (outputs.length > MAX_OUTPUTS) shown.push({ type: "more", count: outputs.length - MAX_OUTPUTS });
      return shown;
    },
  };
}

function cut(value: JsonValue | undefined): JsonObject {
  const text = cleanText(toText(value));
  return text.length <= MAX_TEXT ? { text } : { text: cleanText(text.slice(0, MAX_TEXT)), truncated: true };
}

/** nbformat writes long texts as lists of lines. */
function toText(value: JsonValue | undefined): string {
  if (Array.isArray(value)) return value.join("\n");
  return typeof value === "string" ? value : "";
}
