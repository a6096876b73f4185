import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";
import { canFit, typeOf, typesOf } from "../json-types.js";

const MOST_DEPTH = 40;
const MOST_PROPERTIES = 500;

/** A schema that a value fits, drawn from the value alone. */
export function inferSchema(value: JsonValue, depth = 0): JsonObject {
  if (depth > MOST_DEPTH) return {};
  if (Array.isArray(value)) {
    const items = value.slice(0, 100).map((item) => inferSchema(item, depth + 1));
    return {
      type: "array",
      ...(items.length > 0 ? { items: items.reduce((one, other) => merge(one, other)) } : {}),
    };
  }
  if (isJsonObject(value)) {
    const entries = Object.entries(value).slice(0, MOST_PROPERTIES);
    return {
      type: "object",
      properties: Object.fromEntries(entries.map(([name, member]) => [name, inferSchema(member, depth + 1)])),
      required: entries.map(([name]) => name),
    };
  }
  return { type: typeOf(value) };
}

/** What fits either. */
function merge(one: JsonObject, other: JsonObject): JsonObject {
  const types = [...new Set([...(typesOf(one) ?? []), ...(typesOf(other) ?? [])])];
  const named = types.includes("number") ? types.filter((type) => type !== "integer") : types;
  const result: JsonObject = { type: named.length === 1 ? (named[0] ?? "null") : named };
  const [mine, theirs] = [one["properties"], other["properties"]];
  if (isJsonObject(mine) || isJsonObject(theirs)) {
    const all: JsonObject = { ...(isJsonObject(mine) ? mine : {}) };
    for (const [name, schema] of Object.entries(isJsonObject(theirs) ? theirs : {})) {
      const known = all[name];
      all[name] = isJsonObject(known) && isJsonObject(schema) ? merge(known, schema) : schema;
    }
    result["properties"] = all;
    const required = (schema: JsonObject) => (Array.isArray(schema["required"]) ? schema["required"] : []);
    result["required"] =
      isJsonObject(mine) && isJsonObject(theirs)
        ? required(one).filter((name) => required(other).includes(name))
        : [...required(one), ...required(other)];
  }
  const [myItems, theirItems] = [one["items"], other["items"]];
  if (isJsonObject(myItems) && isJsonObject(theirItems)) result["items"] = merge(myItems, theirItems);
  else if (isJsonObject(myItems ?? theirItems ?? null))
    result["items"] = (myItems ?? theirItems) as JsonObject;
  return result;
}

/** The schema, widened just so far that a value fits it as well. */
export function widenSchema(
  schema: JsonValue,
  value: JsonValue,
  changes: Set<string>,
  path = "",
  depth = 0,
): JsonValue {
  if (!isJsonObject(schema) || depth > MOST_DEPTH) return schema;
  const widened: JsonObject = { ...schema };
  const types = typesOf(schema);
  const type = typeOf(value);
  if (types && !fits(type, types)) {
    if (widened["const"] !== undefined) delete widened["const"];
    if (Array.isArray(widened["enum"])) widened["enum"] = [...widened["enum"], value];
    else
      widened["type"] =
        types.length === 1 && types[0] === "integer" && type === "number" ? "number" : [...types, type];
    changes.add(`${path || "the value"} may be ${type}`);
  } else if (
    Array.isArray(widened["enum"]) &&
    !widened["enum"].some((one) => JSON.stringify(one) === JSON.stringify(value))
  ) {
    widened["enum"] = [...widened["enum"], value];
    changes.add(`${path || "the value"} may be ${JSON.stringify(value).slice(0, 60)}`);
  }
  if (isJsonObject(value)) widenObject(widened, value, changes, path, depth);
  if (Array.isArray(value) && widened["items"] !== undefined && isJsonObject(widened["items"])) {
    widened["items"] = value
      .slice(0, 1_000)
      .reduce<JsonValue>(
        (items, item) => widenSchema(items, item, changes, `${path}/*`, depth + 1),
        widened["items"],
      );
  }
  widenLimits(widened, value, changes, path);
  return widened;
}

/** Whether a value of a type fits; a fraction is no integer. */
function fits(type: string, types: readonly string[]): boolean {
  return type === "number" ? types.includes("number") : canFit([type], types);
}

function widenObject(
  schema: JsonObject,
  value: JsonObject,
  changes: Set<string>,
  path: string,
  depth: number,
): void {
  const properties: JsonObject = { ...(isJsonObject(schema["properties"]) ? schema["properties"] : {}) };
  for (const [name, member] of Object.entries(value).slice(0, MOST_PROPERTIES)) {
    const known = properties[name];
    if (known !== undefined)
      properties[name] = widenSchema(known, member, changes, `${path}/${name}`, depth + 1);
    else if (schema["additionalProperties"] === false) {
      properties[name] = inferSchema(member, depth + 1);
      changes.add(`${path}/${name} is a property`);
    }
  }
  if (Object.keys(properties).length > 0) schema["properties"] = properties;
  if (!Array.isArray(schema["required"])) return;
  const missing = schema["required"].filter(
    (name) => typeof name === "string" && !Object.hasOwn(value, name),
  );
  if (missing.length === 0) return;
  schema["required"] = schema["required"].filter((name) => !missing.includes(name));
  for (const name of missing) changes.add(`${path}/${String(name)} may be missing`);
}

function widenLimits(schema: JsonObject, value: JsonValue, changes: Set<string>, path: string): void {
  const size =
    typeof value === "number"
      ? value
      : typeof value === "string"
        ? [...value].length
        : Array.isArray(value)
          ? value.length
          : undefined;
  if (size === undefined) return;
  const [least, most] =
    typeof value === "number"
      ? ["minimum", "maximum"]
      : typeof value === "string"
        ? ["minLength", "maxLength"]
        : ["minItems", "maxItems"];
  if (typeof schema[least] === "number" && size < schema[least]) {
    schema[least] = size;
    changes.add(`${path || "the value"} may be as small as ${size}`);
  }
  if (typeof schema[most] === "number" && size > schema[most]) {
    schema[most] = size;
    changes.add(`${path || "the value"} may be as large as ${size}`);
  }
  for (const name of ["pattern", "format"]) {
    if (typeof value !== "string" || schema[name] === undefined) continue;
    if (name === "pattern" && !matches(String(schema[name]), value)) {
      delete schema[name];
      changes.add(`${path || "the value"} need not match the pattern`);
    }
  }
}

function matches(pattern: string, value: string): boolean {
  // a pattern is a program: only the plainest are tried here, all others are left to the check of the whole
  if (
    !/^\^?(?:\[[^\]\\]+\]|[A-Za-z0-9_-])*(?:[+*]|\{\d+(?:,\d*)?\})?\$?$/.test(pattern) ||
    value.length > 1_000
  )
    return true;
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}
