import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import type { EditorLanguage } from "../../editors/languages.js";

/** One part of a version that is read, or compared, by itself. */
export interface VersionPart {
  readonly id: string;
  readonly title: string;
  readonly language: EditorLanguage;
  readonly text: string;
}

type Shown = Pick<
  McpVersion,
  "mcpType" | "config" | "inputSchema" | "outputSchema" | "externalDbConfigs" | "secrets" | "description"
>;

/** A version as texts: code and prompts by themselves, the settings as JSON, the schemas. */
export function partsOf(version: Shown): VersionPart[] {
  const { config, mcpType, inputSchema, outputSchema, externalDbConfigs, secrets } = version;
  const rest: Record<string, unknown> = { ...config };
  const parts: VersionPart[] = [];
  const take = (name: string, title: string, language: EditorLanguage) => {
    const value = rest[name];
    if (typeof value !== "string") return;
    delete rest[name];
    parts.push({ id: name, title, language, text: value });
  };
  take("code", "Code", mcpType === "typescript_script" ? "typescript" : "python");
  take("systemPrompt", "System prompt", "markdown");
  take("userPromptTemplate", "Prompt", "markdown");
  const cells = cellsOf(config);
  if (cells !== undefined) {
    delete rest["cells"];
    delete rest["notebook"];
    parts.push({ id: "cells", title: "Cells", language: "python", text: cells });
  }
  if (isRecord(rest["files"])) {
    for (const [path, text] of Object.entries(rest["files"])) {
      parts.push({ id: `files/${path}`, title: path, language: "python", text: String(text) });
    }
    delete rest["files"];
  }
  const settings = {
    ...rest,
    ...(secrets.length > 0 ? { secrets } : {}),
    ...(externalDbConfigs.length > 0 ? { externalDbConfigs } : {}),
  };
  parts.push({ id: "settings", title: "Settings", language: "json", text: toText(settings) });
  if (inputSchema)
    parts.push({ id: "input", title: "Input schema", language: "json", text: toText(inputSchema) });
  if (outputSchema)
    parts.push({ id: "output", title: "Output schema", language: "json", text: toText(outputSchema) });
  return parts;
}

/** The parts of two versions side by side, by what they are. */
export function pairParts(
  before: Shown,
  after: Shown,
): (Omit<VersionPart, "text"> & { readonly before: string; readonly after: string })[] {
  const olds = partsOf(before);
  const news = partsOf(after);
  const all = [...news, ...olds.filter(({ id }) => !news.some((part) => part.id === id))];
  return all.map(({ id, title, language }) => ({
    ...{ id, title, language },
    before: olds.find((part) => part.id === id)?.text ?? "",
    after: news.find((part) => part.id === id)?.text ?? "",
  }));
}

/** The cells of a notebook, however it was given, as one text. */
function cellsOf(config: Readonly<Record<string, unknown>>): string | undefined {
  const notebook = config["notebook"];
  const cells = Array.isArray(config["cells"])
    ? config["cells"]
    : isRecord(notebook) && Array.isArray(notebook["cells"])
      ? notebook["cells"]
      : undefined;
  return cells
    ?.filter(isRecord)
    .map((cell) => {
      const kind = String(cell["cellType"] ?? cell["cell_type"]);
      const { source } = cell;
      const tags = Array.isArray(cell["tags"]) ? cell["tags"].join(", ") : "";
      return `# %% ${kind}${tags === "" ? "" : ` (${tags})`}\n${Array.isArray(source) ? source.join("") : String(source)}`;
    })
    .join("\n\n");
}

function toText(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
