import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: "integer",
  long: "integer",
  float: "number",
  double: "number",
  decimal: "number",
  str: "string",
  text: "string",
  date: "string",
  datetime: "string",
  bool: "boolean",
  dict: "object",
  map: "object",
  struct: "object",
  list: "array",
  tuple: "array",
  none: "null",
  nil: "null",
};
const TYPES = ["string", "number", "integer", "boolean", "object", "array", "null"];
const MOST_DEPTH = 60;

/** What was mended, in words. */
export interface Mended {
  readonly schema: JsonValue;
  readonly changes: readonly string[];
}

/** The same schema with what older drafts, OpenAPI and slips of the pen have left put as JSON Schema 2020-12 wants it. */
export function mendSchema(schema: JsonValue): Mended {
  const changes = new Set<string>();
  return { schema: mend(schema, changes, 0), changes: [...changes] };
}

function mend(value: JsonValue, changes: Set<string>, depth: number): JsonValue {
  if (!isJsonObject(value) || depth > MOST_DEPTH) return value;
  const schema: JsonObject = { ...value };
  mendType(schema, changes);
  mendRequired(schema, changes);
  mendOldKeywords(schema, changes);
  for (const [name, member] of Object.entries(schema))
    schema[name] = mendMember(name, member, changes, depth);
  return schema;
}

function mendMember(name: string, member: JsonValue, changes: Set<string>, depth: number): JsonValue {
  if (["properties", "$defs", "patternProperties", "dependentSchemas"].includes(name) && isJsonObject(member))
    return Object.fromEntries(
      Object.entries(member).map(([key, one]) => [key, mend(one, changes, depth + 1)]),
    );
  if (["allOf", "anyOf", "oneOf", "prefixItems"].includes(name) && Array.isArray(member))
    return member.map((one) => mend(one, changes, depth + 1));
  if (
    ["items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"].includes(name)
  )
    return mend(member, changes, depth + 1);
  return member;
}

function mendType(schema: JsonObject, changes: Set<string>): void {
  const rename = (type: JsonValue): JsonValue => {
    if (typeof type !== "string" || TYPES.includes(type)) return type;
    const known =
      TYPE_NAMES[type.toLowerCase()] ?? (TYPES.includes(type.toLowerCase()) ? type.toLowerCase() : undefined);
    if (known === undefined) return type;
    changes.add(`"${type}" is called "${known}"`);
    return known;
  };
  if (schema["type"] !== undefined)
    schema["type"] = Array.isArray(schema["type"]) ? schema["type"].map(rename) : rename(schema["type"]);
  const { nullable, type } = schema;
  if (typeof nullable === "boolean") {
    delete schema["nullable"];
    changes.add("nullable is written as a type");
    if (nullable && typeof type === "string") schema["type"] = [type, "null"];
  }
  if (type === undefined && isJsonObject(schema["properties"])) {
    schema["type"] = "object";
    changes.add("what has properties is an object");
  }
}

function mendRequired(schema: JsonObject, changes: Set<string>): void {
  if (Array.isArray(schema["properties"])) {
    const names = schema["properties"].filter((name) => typeof name === "string");
    schema["properties"] = Object.fromEntries(names.map((name) => [name, {}]));
    changes.add("properties is an object by name");
  }
  const { properties, required } = schema;
  if (typeof required === "string") {
    schema["required"] = [required];
    changes.add("required is a list");
  } else if (required !== undefined && !Array.isArray(required)) {
    delete schema["required"];
    changes.add("required is a list of names of the object");
  }
  if (!isJsonObject(properties)) return;
  const named = Object.entries(properties).flatMap(([name, one]) =>
    isJsonObject(one) && one["required"] === true ? [name] : [],
  );
  if (named.length === 0) return;
  schema["required"] = [
    ...new Set([...(Array.isArray(schema["required"]) ? schema["required"] : []), ...named]),
  ];
  changes.add("required is a list of names of the object");
}

function mendOldKeywords(schema: JsonObject, changes: Set<string>): void {
  const rename = (from: string, to: string) => {
    const value = schema[from];
    if (value === undefined || schema[to] !== undefined) return;
    delete schema[from];
    schema[to] = value;
    changes.add(`${from} is called ${to}`);
  };
  rename("definitions", "$defs");
  if (typeof schema["id"] === "string" && schema["$id"] === undefined) rename("id", "$id");
  if (Array.isArray(schema["items"])) rename("items", "prefixItems");
  for (const [flag, limit] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ] as const) {
    if (typeof schema[flag] !== "boolean") continue;
    const isExclusive = schema[flag];
    delete schema[flag];
    changes.add(`${flag} is a number`);
    if (!isExclusive || schema[limit] === undefined) continue;
    schema[flag] = schema[limit];
    delete schema[limit];
  }
  if (schema["enum"] !== undefined && !Array.isArray(schema["enum"])) {
    schema["enum"] = [schema["enum"]];
    changes.add("enum is a list");
  }
  if (typeof schema["$schema"] === "string" && !schema["$schema"].includes("2020-12")) {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    changes.add("$schema names the draft 2020-12");
  }
  if (typeof schema["$ref"] === "string" && schema["$ref"].startsWith("#/definitions/")) {
    schema["$ref"] = schema["$ref"].replace("#/definitions/", "#/$defs/");
    changes.add("references lead to $defs");
  }
}
