import { parsePointer, toPointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { DraftStep } from "./parse-definition.js";
import type { ResolvedTarget } from "./resolve-targets.js";

/** Keywords that may declare properties elsewhere than in `properties`. */
const COMPOSING = [
  "$ref",
  "$dynamicRef",
  "allOf",
  "anyOf",
  "oneOf",
  "if",
  "dependentSchemas",
  "patternProperties",
];

/**
 * Faults of a step's inputs against the schema of its component or workflow: inputs that the schema lacks, and
 * required ones that are not mapped. A schema that declares `properties` and says nothing of others is taken to mean
 * that it knows no others: a misspelt name is far likelier than an undeclared input. A secret is no input of a run.
 */
export function checkStepInputs(step: DraftStep, resolved: ResolvedTarget): FieldFault[] {
  return [...findShownSecrets(step, resolved), ...checkAgainstSchema(step, resolved)];
}

/** The input of a run is stored and shown as it is. */
function findShownSecrets({ path, inputs }: DraftStep, { target }: ResolvedTarget): FieldFault[] {
  if (target.kind !== "workflow") return [];
  return Object.entries(inputs).flatMap(([name, mapping]) =>
    "secret" in mapping
      ? [
          {
            path: `${path}/inputs${toPointer([name])}/secret`,
            message:
              "would be stored and shown as the input of that run: map the secret in the step that needs it",
          },
        ]
      : [],
  );
}

function checkAgainstSchema(step: DraftStep, { target, inputSchema }: ResolvedTarget): FieldFault[] {
  if (!inputSchema) return [];
  const base = `${step.path}/inputs`;
  const owner =
    target.kind === "workflow" ? `the schema of ${target.name}'s inputs` : "the component's inputSchema";
  const isApp = target.kind === "mcp" && target.mcpType === "streamlit_app";
  const faults = Object.keys(step.inputs)
    // an order to the step, which the app does not see
    .filter((name) => !(isApp && name === "waitForSubmit"))
    .filter((name) => lacksProperty(inputSchema, name))
    .map((name) => ({ path: base + toPointer([name]), message: `${owner} has no "${name}"` }));
  if (!step.isInputsWhole) return faults;
  const required = Array.isArray(inputSchema["required"]) ? inputSchema["required"] : [];
  for (const name of required) {
    if (typeof name === "string" && !Object.hasOwn(step.inputs, name)) {
      faults.push({ path: base, message: `"${name}" is required by ${owner}` });
    }
  }
  return faults;
}

/** Whether a value that fits the schema surely has no such property. */
function lacksProperty(schema: JsonObject, name: string): boolean {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : undefined;
  if (properties && Object.hasOwn(properties, name)) return false;
  if (schema["additionalProperties"] === false) return schema["patternProperties"] === undefined;
  if (schema["additionalProperties"] !== undefined) return false;
  return properties !== undefined && !COMPOSING.some((keyword) => schema[keyword] !== undefined);
}

/** Why no input of a run can have something at this pointer; undefined when it can, or when that is not known. */
export function explainMissingInput(schema: JsonObject, pointer: string): string | undefined {
  let current: JsonValue | undefined = schema;
  const seen: string[] = [];
  for (const token of parsePointer(pointer) ?? []) {
    if (!isJsonObject(current)) return undefined;
    if (lacksProperty(current, token)) return `the workflow's inputs have no "${[...seen, token].join("/")}"`;
    seen.push(token);
    const properties: JsonValue | undefined = current["properties"];
    if (isJsonObject(properties) && Object.hasOwn(properties, token)) current = properties[token];
    else if (/^\d+$/.test(token) && current["prefixItems"] === undefined) current = current["items"];
    else return undefined;
  }
  return undefined;
}
