import { isJsonObject, type JsonObject } from "../../core/json.js";
import type { ContractTool } from "../../core/tool-contract.js";
import type { FieldFault } from "../../errors/app-error.js";
import { ExecutionError } from "../types.js";
import type { McpPackageConfig } from "./definition.js";

/** Which tool is called with what. */
export interface ToolCall {
  readonly tool: string;
  readonly arguments: JsonObject;
}

/** Faults of a value against a JSON Schema; rejects when the schema cannot be used. */
export type ValidateValue = (schema: JsonObject, value: JsonObject) => Promise<readonly FieldFault[]>;

/**
 * The call that a step's inputs ask for. Where the configuration names the tool, all inputs are arguments; else the
 * inputs are `{ tool, arguments? }`. The configuration's arguments are defaults.
 * @throws ExecutionError `invalid_input` with `details.errors`
 */
export function toToolCall(
  config: Pick<McpPackageConfig, "tool" | "arguments">,
  input: JsonObject,
): ToolCall {
  const defaults = (config.arguments ?? {}) as JsonObject;
  if (config.tool !== undefined) return { tool: config.tool, arguments: { ...defaults, ...input } };
  const { tool, arguments: given = {}, ...rest } = input;
  const errors: FieldFault[] = Object.keys(rest).map((name) => ({
    path: `/${name}`,
    message: "is not known: the inputs are tool and arguments",
  }));
  if (typeof tool !== "string" || tool === "") errors.push({ path: "/tool", message: "must name a tool" });
  if (!isJsonObject(given)) errors.push({ path: "/arguments", message: "must be an object" });
  if (typeof tool !== "string" || !isJsonObject(given) || errors.length > 0) throw invalidInput(errors);
  return { tool, arguments: { ...defaults, ...given } };
}

/**
 * The tool that is called, once it is known to be there and the arguments to fit its schema. A schema that cannot be
 * used is left to the server.
 * @throws ExecutionError `invalid_input`
 */
export async function checkToolCall(
  call: ToolCall,
  tools: readonly ContractTool[],
  validate: ValidateValue | undefined,
  isToolConfigured: boolean,
): Promise<ContractTool> {
  const tool = tools.find(({ name }) => name === call.tool);
  if (!tool) {
    const names = tools.map(({ name }) => name).slice(0, 100);
    throw new ExecutionError("invalid_input", `The server has no tool ${call.tool.slice(0, 200)}`, {
      details: { tools: names },
    });
  }
  const faults = await validate?.(tool.inputSchema, call.arguments).catch(() => []);
  const prefix = isToolConfigured ? "" : "/arguments";
  const errors = (faults ?? []).map(({ path, message }) => ({ path: prefix + path, message }));
  if (errors.length > 0) throw invalidInput(errors);
  return tool;
}

function invalidInput(errors: readonly FieldFault[]): ExecutionError {
  const [first] = errors;
  return new ExecutionError("invalid_input", `Input ${first?.path || "/"} ${first?.message}`, {
    details: { errors: errors.map(({ path, message }) => ({ path, message })) },
  });
}
