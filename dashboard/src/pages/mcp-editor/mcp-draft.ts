import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import type { Fault } from "../../api/problem.js";
import { parseTags } from "../../components/tags.js";

/** JSON Schema, as far as the editor cares. */
export type Schema = Readonly<Record<string, unknown>>;
/** Settings of a component; `type` is its type. */
export type Config = Readonly<Record<string, unknown>>;

/** A version that is being written, and its component when that is new. */
export interface McpDraft {
  readonly name: string;
  readonly about: string;
  readonly tags: string;
  readonly mcpType: string;
  readonly version: string;
  readonly notes: string;
  readonly config: Config;
  readonly inputSchema: Schema | undefined;
  readonly outputSchema: Schema | undefined;
  readonly externalDbConfigs: readonly string[];
  readonly secrets: readonly string[];
}

const PYTHON = `def main(name):
    print(f"Greeting {name}")
    return {"greeting": f"Hello, {name}!"}
`;
const TYPESCRIPT = `export function main({ name }: { name: string }) {
  console.log(\`Greeting \${name}\`);
  return { greeting: \`Hello, \${name}!\` };
}
`;
const APP = `import streamlit as st

st.title("Hello")
`;

const NAME_INPUT: Schema = {
  type: "object",
  properties: { name: { type: "string", description: "Who is greeted", default: "world" } },
  required: ["name"],
};

const STARTS: Readonly<Record<string, { readonly config: Config; readonly inputSchema?: Schema }>> = {
  python_script: { config: { type: "python_script", code: PYTHON }, inputSchema: NAME_INPUT },
  typescript_script: { config: { type: "typescript_script", code: TYPESCRIPT }, inputSchema: NAME_INPUT },
  jupyter_notebook: {
    config: {
      type: "jupyter_notebook",
      cells: [
        { cellType: "markdown", source: "# Greeting" },
        { cellType: "code", source: 'name = "world"', tags: ["parameters"] },
        { cellType: "code", source: 'outputs = {"greeting": f"Hello, {name}!"}\noutputs' },
      ],
    },
    inputSchema: NAME_INPUT,
  },
  llm_prompt: {
    config: {
      type: "llm_prompt",
      model: "gpt-4o-mini",
      systemPrompt: "You are terse.",
      userPromptTemplate: "Summarise in one sentence:\n\n{{ text }}",
    },
    inputSchema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
  streamlit_app: { config: { type: "streamlit_app", code: APP, mode: "server" } },
  mcp_package: {
    config: {
      type: "mcp_package",
      transport: { kind: "stdio", command: "npx", args: ["-y", "@modelcontextprotocol/server-everything"] },
    },
  },
};

/** What a new component of a type begins with: something small that runs. */
export function startOf(mcpType: string): Pick<McpDraft, "config" | "inputSchema" | "mcpType"> {
  const start = STARTS[mcpType] ?? { config: { type: mcpType } };
  return { mcpType, config: start.config, inputSchema: start.inputSchema };
}

/** A draft of a new component. */
export function newDraft(mcpType: string): McpDraft {
  return {
    ...{ name: "", about: "", tags: "", version: "1.0.0", notes: "", outputSchema: undefined },
    ...{ externalDbConfigs: [], secrets: [] },
    ...startOf(mcpType),
  };
}

/** A draft of the next version: what the one before it holds. */
export function nextDraft(
  definition: McpDefinition,
  from: McpVersion | undefined,
  version: string,
): McpDraft {
  const { name, description, tags, mcpType } = definition;
  const base = { name, about: description, tags: tags.join(", "), version, notes: "" };
  if (!from) return { ...newDraft(mcpType), ...base };
  return {
    ...base,
    mcpType,
    config: from.config,
    inputSchema: from.inputSchema ?? undefined,
    outputSchema: from.outputSchema ?? undefined,
    externalDbConfigs: from.externalDbConfigs,
    secrets: from.secrets,
  };
}

/** The body of `POST …/versions`. */
export function toVersionBody(draft: McpDraft): Record<string, unknown> {
  const { version, notes, config, inputSchema, outputSchema, externalDbConfigs, secrets } = draft;
  return {
    ...{ version, config },
    ...(notes === "" ? {} : { description: notes }),
    ...(inputSchema ? { inputSchema } : {}),
    ...(outputSchema ? { outputSchema } : {}),
    ...(externalDbConfigs.length > 0 ? { externalDbConfigs } : {}),
    ...(secrets.length > 0 ? { secrets } : {}),
  };
}

/** The body of `POST /mcp-definitions`, first version included. */
export function toDefinitionBody(draft: McpDraft): Record<string, unknown> {
  const { name, about, tags, mcpType } = draft;
  return { name, description: about, tags: parseTags(tags), mcpType, version: toVersionBody(draft) };
}

/** Faults by pointer into the version, whichever of the two bodies was sent. */
export function faultsOf(faults: readonly Fault[]): Record<string, string> {
  return Object.fromEntries(
    faults.map(({ path, message }) => [path.replace(/^\/version(?=\/)/, ""), message]),
  );
}
