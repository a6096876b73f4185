import { createHash } from "node:crypto";
import { type JsonObject, type JsonValue, isJsonObject } from "../../core/json.js";
import type { ComponentDoor, ComponentFacts } from "../types.js";

/** A function that a model may call, and the component behind it. */
export interface ToolFunction {
  /** As the model knows it. */
  readonly name: string;
  /** `mcp:NAME@VERSION` */
  readonly reference: string;
  /** The tool of a package that the function stands for. */
  readonly tool?: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

const MOST_NAME_CHARACTERS = 64;
const MOST_DESCRIPTION_CHARACTERS = 1_024;
const MOST_FUNCTIONS = 128;
const ANY_OBJECT: JsonObject = { type: "object", additionalProperties: true };

/** Describes what a prompt's tools can do, as functions with names that every provider takes. */
export async function describeTools(
  door: ComponentDoor,
  references: readonly string[],
): Promise<ReadonlyMap<string, ToolFunction>> {
  const functions = new Map<string, ToolFunction>();
  for (const reference of references) {
    const facts = await door.describe(reference);
    for (const one of toFunctions(reference, facts)) {
      const name = toFreeName(one.name, functions);
      if (functions.size < MOST_FUNCTIONS) functions.set(name, { ...one, name });
    }
  }
  return functions;
}

function toFunctions(reference: string, facts: ComponentFacts): ToolFunction[] {
  const { name, description, tools } = facts;
  if (!tools) {
    return [
      { name, reference, description: shorten(description), parameters: toParameters(facts.inputSchema) },
    ];
  }
  return tools.map((tool) => ({
    name: `${name}__${tool.name}`,
    reference,
    tool: tool.name,
    description: shorten(tool.description ?? ""),
    parameters: toParameters(tool.inputSchema),
  }));
}

function shorten(text: string): string {
  return text.length > MOST_DESCRIPTION_CHARACTERS
    ? `${text.slice(0, MOST_DESCRIPTION_CHARACTERS - 1)}…`
    : text;
}

function toParameters(schema: JsonObject | null): JsonObject {
  if (!isJsonObject(schema)) return ANY_OBJECT;
  return schema["type"] === "object" ? schema : { ...schema, type: "object" };
}

/** Providers take `^[a-zA-Z0-9_-]{1,64}$`. What is cut or taken gets an end of its own. */
function toFreeName(wanted: string, taken: ReadonlyMap<string, unknown>): string {
  const clean = wanted.replace(/[^a-zA-Z0-9_-]/g, "_");
  const base =
    clean === wanted && clean.length <= MOST_NAME_CHARACTERS
      ? clean
      : `${clean.slice(0, MOST_NAME_CHARACTERS - 9)}_${createHash("sha256").update(wanted).digest("hex").slice(0, 8)}`;
  for (let copy = 1; ; copy += 1) {
    const end = copy === 1 ? "" : `_${copy}`;
    const name = `${base.slice(0, MOST_NAME_CHARACTERS - end.length)}${end}`;
    if (!taken.has(name)) return name;
  }
}

/** The arguments that a model wrote, or what is wrong with them. */
export function parseArguments(text: string): { readonly inputs: JsonObject } | { readonly fault: string } {
  let value: JsonValue;
  try {
    value = text.trim() === "" ? {} : (JSON.parse(text) as JsonValue);
  } catch (error) {
    return { fault: `the arguments are no JSON: ${(error as Error).message.slice(0, 200)}` };
  }
  return isJsonObject(value) ? { inputs: value } : { fault: "the arguments must be a JSON object" };
}

/** What the component behind a function is called with. */
export function toInputs({ tool }: ToolFunction, given: JsonObject): JsonObject {
  return tool === undefined ? given : { tool, arguments: given };
}
