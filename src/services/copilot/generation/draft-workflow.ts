import type { Knex } from "knex";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";
import { followSchema, typesOf } from "../json-types.js";
import { type FoundComponent, wordsOf } from "./search-components.js";

const MOST_STEPS = 6;

/**
 * A workflow of the components that a prompt's words find, in the order of the words: each input comes from an earlier
 * step whose output has a member of that name and type, or else from the run's input.
 */
export function chainComponents(prompt: string, found: readonly FoundComponent[]): JsonObject | undefined {
  const order = wordsOf(prompt);
  const rank = (component: FoundComponent) => Math.min(...component.words.map((word) => order.indexOf(word)));
  const chosen = pickByWord(order, found)
    .slice(0, MOST_STEPS)
    .sort((one, other) => rank(one) - rank(other));
  if (chosen.length === 0) return undefined;
  const inputs: JsonObject = {};
  const required: string[] = [];
  const steps: JsonObject[] = [];
  for (const [at, component] of chosen.entries()) {
    const id = toStepId(component.name);
    const mappings = mapInputs(component, chosen.slice(0, at), { inputs, required });
    const isLinked = Object.values(mappings).some(
      (mapping) => isJsonObject(mapping) && mapping["step"] !== undefined,
    );
    const before = chosen[at - 1];
    steps.push({
      id,
      uses: `mcp:${component.name}@${component.version}`,
      ...(Object.keys(mappings).length > 0 ? { inputs: mappings } : {}),
      // what is said to come after comes after, also where nothing is handed on
      ...(before && !isLinked ? { dependsOn: [toStepId(before.name)] } : {}),
    });
  }
  return {
    ...(Object.keys(inputs).length > 0 ? { inputs: { type: "object", properties: inputs, required } } : {}),
    steps,
  };
}

/** For each word the component that has most words in all. */
function pickByWord(order: readonly string[], found: readonly FoundComponent[]): FoundComponent[] {
  const chosen = new Set<FoundComponent>();
  const covered = new Set<string>();
  for (const component of found) {
    if (!component.words.some((word) => order.includes(word) && !covered.has(word))) continue;
    chosen.add(component);
    for (const word of component.words) covered.add(word);
  }
  return [...chosen];
}

function mapInputs(
  { inputSchema }: FoundComponent,
  earlier: readonly FoundComponent[],
  run: { readonly inputs: JsonObject; readonly required: string[] },
): JsonObject {
  const properties = inputSchema?.["properties"];
  if (!isJsonObject(properties)) return {};
  const demanded = Array.isArray(inputSchema?.["required"]) ? inputSchema["required"] : [];
  const mappings: JsonObject = {};
  for (const [name, schema] of Object.entries(properties)) {
    const source = [...earlier].reverse().find((component) => gives(component, name, schema));
    if (source) mappings[name] = { step: toStepId(source.name), output: `/${name}` };
    else if (demanded.includes(name)) {
      run.inputs[name] ??= schema;
      if (!run.required.includes(name)) run.required.push(name);
      mappings[name] = { input: `/${name}` };
    }
  }
  return mappings;
}

function gives({ outputSchema }: FoundComponent, name: string, wanted: JsonValue): boolean {
  if (!outputSchema || !/^[\w-]+$/.test(name)) return false;
  const place = followSchema(outputSchema, `/${name}`);
  if (place.kind !== "schema") return false;
  const [given, needed] = [typesOf(place.schema), isJsonObject(wanted) ? typesOf(wanted) : undefined];
  return !given || !needed || given.some((type) => needed.includes(type));
}

function toStepId(name: string): string {
  return name.slice(0, 63);
}

/** A workflow of built-in steps, by what a prompt's words ask for; always one that is valid. */
export async function draftBuiltins(knex: Knex, prompt: string): Promise<JsonObject> {
  const steps: JsonObject[] = [];
  const add = (step: JsonObject) =>
    steps.push({ ...step, ...(steps.length > 0 ? { dependsOn: [steps.at(-1)?.["id"] as string] } : {}) });
  const inputs: JsonObject = {};
  const database = /\b(?:sql|database|query|table|postgres\w*|mysql|bigquery|duckdb|sqlite)\b/i.test(prompt)
    ? await findDatabase(knex, prompt)
    : undefined;
  if (database !== undefined) {
    add({
      id: "query",
      uses: "builtin:sql",
      inputs: { connection: { value: database }, sql: { value: "SELECT 1 AS answer" } },
    });
  }
  const isSending = /\b(?:post|send|notify|alert|slack|webhook)\b/i.test(prompt);
  if (isSending || steps.length === 0) {
    inputs["url"] = { type: "string", format: "uri" };
    add({
      id: isSending ? "send" : "fetch",
      uses: "builtin:http",
      inputs: { url: { input: "/url" }, ...(isSending ? { method: { value: "POST" } } : {}) },
      retry: { maxAttempts: 3 },
      timeoutSeconds: 60,
    });
  }
  if (/\b(?:approv\w*|review\w*|sign.?off|confirm\w*)\b/i.test(prompt))
    add({ id: "approve", uses: "builtin:approval", inputs: { message: { value: "May this go on?" } } });
  const required = Object.keys(inputs);
  return {
    ...(required.length > 0 ? { inputs: { type: "object", properties: inputs, required } } : {}),
    steps,
  };
}

async function findDatabase(knex: Knex, prompt: string): Promise<string | undefined> {
  const names: string[] = await knex("external_db_configs").orderBy("name").limit(500).pluck("name");
  return names.find((name) => prompt.toLowerCase().includes(name.toLowerCase())) ?? names[0];
}
