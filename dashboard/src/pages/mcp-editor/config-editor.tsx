import type { ComponentType } from "react";
import { AppConfig } from "./app-config.js";
import { JsonConfig } from "./json-config.js";
import type { Config, Schema } from "./mcp-draft.js";
import { NotebookConfig } from "./notebook-config.js";
import { PackageConfig } from "./package-config.js";
import { PromptConfig } from "./prompt-config.js";
import { ScriptConfig } from "./script-config.js";

/** What an editor of a component's settings is told. */
export interface ConfigEditorProps {
  readonly config: Config;
  /** Changes some of it; `undefined` takes a setting away, so that its default holds. */
  onChange(changes: Record<string, unknown>): void;
  /** Message by JSON Pointer into the configuration: `/code`. */
  readonly faults: Readonly<Record<string, string>>;
  /** Inputs of the version: what prompts may refer to. */
  readonly inputSchema: Schema | undefined;
}

const EDITORS: Readonly<Record<string, ComponentType<ConfigEditorProps>>> = {
  python_script: ScriptConfig,
  typescript_script: ScriptConfig,
  jupyter_notebook: NotebookConfig,
  llm_prompt: PromptConfig,
  streamlit_app: AppConfig,
  mcp_package: PackageConfig,
};

/** The settings of a component, by its type; of a type that has no editor of its own, as JSON. */
export function ConfigEditor({ mcpType, ...props }: ConfigEditorProps & { readonly mcpType: string }) {
  const Editor = EDITORS[mcpType] ?? JsonConfig;
  return <Editor {...props} />;
}
