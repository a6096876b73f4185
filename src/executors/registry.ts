import { join } from "node:path";
import { z } from "zod";
import { createOutgoingGuard } from "../outgoing/outgoing-guard.js";
import { type LlmPromptConfig, llmPromptDefinition } from "./llm/definition.js";
import { createLlmPromptExecutor, type LlmPromptDeps } from "./llm/llm-prompt.js";
import { createMcpPackageDefinition, type McpPackageConfig } from "./mcp-package/definition.js";
import { createMcpPackageExecutor, type McpPackageSettings } from "./mcp-package/mcp-package-executor.js";
import { type NotebookConfig, notebookDefinition } from "./notebook/definition.js";
import { createNotebookExecutor } from "./notebook/notebook-executor.js";
import {
  pythonScriptDefinition,
  type ScriptConfig,
  typescriptScriptDefinition,
} from "./script/definition.js";
import { createEnvironmentCache } from "./script/environment-cache.js";
import { createPythonScriptExecutor } from "./script/python-script.js";
import type { StartKind } from "./script/script-executor.js";
import { createTypescriptScriptExecutor } from "./script/typescript-script.js";
import { createWarmPool } from "./script/warm-pool.js";
import { type StreamlitAppConfig, streamlitAppDefinition } from "./streamlit/definition.js";
import type { Executor, ExecutorDefinition, McpType, WarmGround } from "./types.js";

/** The configuration of an MCP version: one shape for each type. */
export type McpConfig =
  | ScriptConfig
  | NotebookConfig
  | LlmPromptConfig
  | StreamlitAppConfig
  | McpPackageConfig;

/** What the definitions depend on. */
export interface DefinitionOptions {
  /** The setting `ALLOWED_HOSTS_PRIVATE`: private hosts that a configuration may name. */
  readonly allowedPrivateHosts?: readonly string[];
  /** The setting `MCP_COMMANDS`; absent: any command can be stored. */
  readonly mcpCommands?: readonly string[];
}

/** Every component type, one line each. What else must know the types derives it from here. */
export function createExecutorDefinitions({ allowedPrivateHosts = [], mcpCommands }: DefinitionOptions = {}) {
  const guard = createOutgoingGuard({ allowedPrivateHosts });
  return [
    pythonScriptDefinition,
    typescriptScriptDefinition,
    notebookDefinition,
    llmPromptDefinition,
    streamlitAppDefinition,
    createMcpPackageDefinition({ guard, ...(mcpCommands && { commands: mcpCommands }) }),
  ] as const satisfies readonly ExecutorDefinition[];
}

/** The definitions where no private host is allowed. */
export const executorDefinitions: readonly ExecutorDefinition[] = createExecutorDefinitions();

/** The schema of `config`, told apart by `type`. */
export function createMcpConfigSchema(options: DefinitionOptions = {}): z.ZodType<McpConfig> {
  const schemas = createExecutorDefinitions(options).map((definition) => definition.configSchema);
  return z.discriminatedUnion(
    "type",
    schemas as unknown as [z.ZodObject, ...z.ZodObject[]],
  ) as unknown as z.ZodType<McpConfig>;
}

/** {@link createMcpConfigSchema} where no private host is allowed. */
export const mcpConfigSchema: z.ZodType<McpConfig> = createMcpConfigSchema();

/** What executors need for as long as the worker runs. */
export interface ExecutorDeps {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  /**
   * Where installed requirements are kept. The users that steps run as must be able to reach it: a folder in the
   * root of the sandbox's work folders is sure to be so.
   */
  readonly cacheRoot: string;
  /** Where processes are kept warm; without it each execution starts its own. */
  readonly ground?: WarmGround;
  /** What LLM prompts call and are held to; without it there is no executor for them. */
  readonly llm?: LlmPromptDeps;
  /** Processes that may be kept ready, of all kinds together; 0 keeps none. 4 by default. */
  readonly maxWarmProcesses?: number;
  /** Told how each execution of a script got its process. */
  readonly onScriptStart?: (type: McpType, kind: StartKind) => void;
  /** Environment for package installers: indexes, proxies, certificates; nothing by default. */
  readonly installerEnv?: Readonly<Record<string, string>>;
  readonly mcpPackages?: McpPackageSettings;
}

/** One executor for each type that can run here. Close each when the worker stops. */
export function createExecutors({
  python,
  cacheRoot,
  ground,
  maxWarmProcesses = 4,
  onScriptStart: onStart,
  installerEnv = {},
  llm,
  mcpPackages = {},
}: ExecutorDeps): Map<McpType, Executor> {
  const environments = createEnvironmentCache({ cacheDir: join(cacheRoot, "environments"), installerEnv });
  const pool =
    ground && maxWarmProcesses > 0 ? createWarmPool({ ground, maxProcesses: maxWarmProcesses }) : undefined;
  const executors = [
    createPythonScriptExecutor({ python, environments, pool, onStart }),
    createTypescriptScriptExecutor({ environments, pool, onStart }),
    ...(llm ? [createLlmPromptExecutor(llm)] : []),
    createNotebookExecutor({ python, ground }),
    createMcpPackageExecutor({ python, environments, ...mcpPackages }),
  ] as unknown as Executor[];
  return new Map(executors.map((executor) => [executor.type, executor]));
}
