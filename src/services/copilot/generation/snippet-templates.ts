import { isJsonObject, type JsonObject } from "../../../core/json.js";

/** How code of a type becomes a configuration, and back, and what one starts from. */
export interface SnippetTemplate {
  readonly code: string;
  readonly detail: string;
  /** What `code` is, for a model. */
  readonly note: string;
  toConfig(code: string): JsonObject;
  codeOf(config: JsonObject): string;
}

/** The template of a component type. */
export function templateOf(mcpType: string, prompt: string): SnippetTemplate {
  const purpose = prompt.replace(/\s+/g, " ").replaceAll("*/", "* /").replaceAll('"""', "'''").slice(0, 200);
  const make = TEMPLATES[mcpType] ?? TEMPLATES["python_script"];
  if (!make) throw new Error(`no template for ${mcpType}`);
  return make(purpose);
}

const asCode = (type: string, more: JsonObject = {}) => ({
  toConfig: (code: string): JsonObject => ({ type, code, ...more }),
  codeOf: ({ code }: JsonObject) => (typeof code === "string" ? code : ""),
});

const TEMPLATES: Readonly<Record<string, (purpose: string) => SnippetTemplate>> = {
  python_script: (purpose) => ({
    ...asCode("python_script"),
    note: "",
    detail: "main gets each input by its name; what it returns is the output, what it prints is the log.",
    code: `"""${purpose.replaceAll("\\", "/")}"""\n\n\ndef main(**inputs):\n    print("inputs:", sorted(inputs))\n    return {"received": inputs}\n`,
  }),
  typescript_script: (purpose) => ({
    ...asCode("typescript_script"),
    note: "",
    detail: "The default export gets all inputs as one object; what it returns is the output.",
    code: `/** ${purpose} */\nexport default async function main(inputs: Record<string, unknown>) {\n  console.log("inputs:", Object.keys(inputs).sort());\n  return { received: inputs };\n}\n`,
  }),
  streamlit_app: (purpose) => ({
    ...asCode("streamlit_app", { requirements: ["streamlit"] }),
    note: "",
    detail: "An app of one page.",
    code: `import streamlit as st\n\nst.title(${JSON.stringify(purpose.slice(0, 80))})\nst.write("What the step's inputs say goes here.")\n`,
  }),
  jupyter_notebook: (purpose) => ({
    note: " (of one code cell)",
    detail: "The first cell holds the parameters; `outputs` becomes the result.",
    code: `# ${purpose}\noutputs = {"limit": limit}\n`,
    toConfig: (code) => ({
      type: "jupyter_notebook",
      cells: [
        { cellType: "code", source: "limit = 10", tags: ["parameters"] },
        { cellType: "code", source: code },
      ] as JsonObject[],
    }),
    codeOf({ cells }) {
      if (!Array.isArray(cells)) return "";
      const code = cells.flatMap((cell) =>
        isJsonObject(cell) && cell["cellType"] === "code" && typeof cell["source"] === "string"
          ? [cell["source"]]
          : [],
      );
      return code.join("\n\n");
    },
  }),
  llm_prompt: (purpose) => ({
    note: " (the userPromptTemplate)",
    detail: "A prompt of one input, text. Name the model that your provider has.",
    code: `${purpose.replaceAll(/[{}%]/g, "")}\n\n{{ text }}\n`,
    toConfig: (code) => ({
      type: "llm_prompt",
      model: "gpt-4.1-mini",
      userPromptTemplate: code,
      maxTokens: 1_024,
    }),
    codeOf: ({ userPromptTemplate }) => (typeof userPromptTemplate === "string" ? userPromptTemplate : ""),
  }),
  mcp_package: () => ({
    note: " (the transport as JSON)",
    detail:
      "A Model Context Protocol server that is started from npm. Put the package and its version in place of these.",
    code: JSON.stringify(
      { kind: "stdio", command: "npx", args: ["-y", "@modelcontextprotocol/server-everything@2026.8.31"] },
      undefined,
      2,
    ),
    toConfig: (code) => ({ type: "mcp_package", transport: parse(code) }),
    codeOf: ({ transport }) => JSON.stringify(transport ?? {}, undefined, 2),
  }),
};

function parse(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
