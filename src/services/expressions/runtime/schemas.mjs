import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { ajvRegExp } from "./regex-engine.mjs";

const MAX_SCHEMA_CHARACTERS = 262_144;
const MAX_SCHEMA_DEPTH = 64;
const MAX_CACHED = 200;
const MAX_FAULTS = 100;
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** Knows the meta-schema; compiled once per thread. Logs nothing: texts of users stay out of our output. */
const metaAjv = new Ajv2020({ strict: false, logger: false, allErrors: true });
const applyFormats = addFormats.default ?? addFormats;

/** Compiled validators by the text of their schema, the least recently used first. */
const validators = new Map();

/** Faults of a schema itself, paths pointing into it. */
export function inspectSchema(schemaText) {
  try {
    const faults = findSchemaFaults(schemaText);
    if (faults.length > 0) return faults;
    const validate = compile(schemaText);
    // a schema that refers to itself without consuming anything overflows on any value
    validate({});
    return [];
  } catch (error) {
    return [{ path: "", message: describeSchemaError(error) }];
  }
}

/** Faults of a value, paths pointing into it. Throws when the schema itself cannot be used. */
export function validateValue(schemaText, value) {
  let validate;
  try {
    validate = compile(schemaText);
    if (validate(value)) return [];
  } catch (error) {
    throw new Error(`the JSON Schema cannot be used: ${describeSchemaError(error)}`, { cause: error });
  }
  return (validate.errors ?? []).slice(0, MAX_FAULTS).map(toFault);
}

function describeSchemaError(error) {
  if (error instanceof RangeError) return "refers to itself endlessly, or is nested too deeply";
  return String(error?.message ?? error).slice(0, 500);
}

function findSchemaFaults(schemaText) {
  if (schemaText.length > MAX_SCHEMA_CHARACTERS) {
    return [{ path: "", message: `must be at most ${MAX_SCHEMA_CHARACTERS} characters of JSON` }];
  }
  const schema = JSON.parse(schemaText);
  if (depthOf(schema) > MAX_SCHEMA_DEPTH) {
    return [{ path: "", message: `must be nested at most ${MAX_SCHEMA_DEPTH} levels deep` }];
  }
  if (schema?.$schema !== undefined && String(schema.$schema).replace(/#$/, "") !== DIALECT) {
    return [{ path: "/$schema", message: `must be ${DIALECT}, or left out` }];
  }
  if (schema?.$async !== undefined) return [{ path: "/$async", message: "is not part of JSON Schema" }];
  if (metaAjv.validateSchema(schema) === true) return [];
  return firstOfEach((metaAjv.errors ?? []).map(toFault)).slice(0, MAX_FAULTS);
}

/** The meta-schema says some faults several times, in ever vaguer words: the first of each place is kept. */
function firstOfEach(faults) {
  const byPath = new Map();
  for (const fault of faults) if (!byPath.has(fault.path)) byPath.set(fault.path, fault);
  return [...byPath.values()];
}

function depthOf(schema) {
  let deepest = 0;
  const open = [[schema, 1]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [value, depth] = next;
    deepest = Math.max(deepest, depth);
    if (typeof value !== "object" || value === null || depth > MAX_SCHEMA_DEPTH) continue;
    for (const member of Object.values(value)) open.push([member, depth + 1]);
  }
  return deepest;
}

function compile(schemaText) {
  let validate = validators.get(schemaText);
  if (validate) {
    validators.delete(schemaText);
  } else {
    // an instance per schema: an `$id` in one user's schema must not be seen by another's `$ref`
    const ajv = new Ajv2020({
      strict: false,
      logger: false,
      allErrors: true,
      meta: false,
      validateSchema: false,
      code: { regExp: ajvRegExp },
    });
    applyFormats(ajv);
    const schema = JSON.parse(schemaText);
    if (typeof schema === "object" && schema !== null) delete schema.$schema;
    validate = ajv.compile(schema);
    if (validate.$async) throw new Error("$async is not part of JSON Schema");
  }
  validators.set(schemaText, validate);
  if (validators.size > MAX_CACHED) validators.delete(validators.keys().next().value);
  return validate;
}

function toFault(error) {
  const member =
    error.keyword === "required"
      ? error.params.missingProperty
      : error.keyword === "additionalProperties"
        ? error.params.additionalProperty
        : error.keyword === "unevaluatedProperties"
          ? error.params.unevaluatedProperty
          : undefined;
  const suffix = member === undefined ? "" : `/${member.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  return { path: error.instancePath + suffix, message: describeFault(error) };
}

function describeFault(error) {
  if (error.keyword === "required") return "is required";
  if (error.keyword === "additionalProperties" || error.keyword === "unevaluatedProperties") {
    return "is not a known property";
  }
  if (error.keyword === "enum") {
    return `must be one of ${JSON.stringify(error.params.allowedValues).slice(1, -1).slice(0, 300)}`;
  }
  return error.message ?? "is not valid";
}
