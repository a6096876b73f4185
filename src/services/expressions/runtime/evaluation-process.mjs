import { Worker } from "node:worker_threads";
import jsonata from "jsonata";
import { inspectExpression } from "./inspect-expression.mjs";
import { LinearRegExp } from "./regex-engine.mjs";
import { inspectSchema, validateValue } from "./schemas.mjs";
import { inspectTemplate, renderTemplate } from "./templates.mjs";

/**
 * The process in which everything runs that users wrote: JSONata, JSON Schema and Liquid. It has no environment, a
 * small heap, one job at a time, and a parent that kills it when a job overruns. A process rather than a
 * thread: V8 ends the whole process when one allocation outgrows a thread's heap. Plain JavaScript, so that
 * it starts the same from `dist` and under the tests.
 */

const MAX_RESULT_CHARACTERS = 16 * 1024 * 1024;
const MAX_RESULT_DEPTH = 200;
const MAX_CACHED = 500;
const MAX_CALL_DEPTH = 400;
const MAX_SEQUENCE = 1_000_000;

const expressions = new Map();

// one user's expression must leave nothing behind that another's could read
Object.preventExtensions(Object.prototype);
Object.preventExtensions(Array.prototype);

const HANDLERS = {
  evaluate,
  validate: ({ schemaText, value }) => validateValue(schemaText, value),
  inspectSchema: ({ schemaText }) => inspectSchema(schemaText),
  renderTemplate: ({ text, bindings }) => renderTemplate(text, bindings),
  inspectTemplate: ({ text }) => inspectTemplate(text),
  inspectExpressions: ({ texts, names }) => texts.map((text) => inspectExpression(text, names)),
};

process.on("message", async (job) => {
  try {
    process.send({ id: job.id, value: await HANDLERS[job.kind](job) });
  } catch (error) {
    process.send({ id: job.id, error: describeError(error) });
  }
});
process.on("disconnect", () => process.exit(0));
// the parent drains first: a terminal's Ctrl-C reaches the whole group, and must not fail what still runs
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => undefined);
new Worker(new URL("./parent-watch.mjs", import.meta.url), {
  workerData: { parentPid: process.ppid },
  env: {},
  resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
}).unref();
process.send({ ready: true });

/** JSON text of the value, or undefined when there is none. */
async function evaluate({ text, bindings, timeoutMs }) {
  const result = await compile(text, timeoutMs).evaluate(bindings, {});
  if (result === undefined) return undefined;
  assertJson(result, "", 0);
  const json = JSON.stringify(result);
  if (json.length > MAX_RESULT_CHARACTERS) {
    throw new Error(`the result is larger than ${MAX_RESULT_CHARACTERS} characters of JSON`);
  }
  return json;
}

function compile(text, timeoutMs) {
  const key = `${timeoutMs} ${text}`;
  const known = expressions.get(key);
  if (known) return known;
  // JSONata's own guards give the better message; the parent's deadline is the one that always holds
  const options = {
    timeout: timeoutMs,
    stack: MAX_CALL_DEPTH,
    sequence: MAX_SEQUENCE,
    RegexEngine: LinearRegExp,
  };
  const compiled = jsonata(text, options);
  expressions.set(key, compiled);
  if (expressions.size > MAX_CACHED) expressions.delete(expressions.keys().next().value);
  return compiled;
}

function assertJson(value, path, depth) {
  if (depth > MAX_RESULT_DEPTH)
    throw new Error(`the result is nested deeper than ${MAX_RESULT_DEPTH} levels`);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new Error(`the result holds ${value}, which JSON cannot hold${path ? `, at ${path}` : ""}`);
  }
  if (typeof value === "function" || value?._jsonata_lambda === true || value?._jsonata_function === true) {
    throw new Error(`the result holds a function, which JSON cannot hold${path ? `, at ${path}` : ""}`);
  }
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) value.forEach((item, at) => assertJson(item, `${path}/${at}`, depth + 1));
  else for (const name of Object.keys(value)) assertJson(value[name], `${path}/${name}`, depth + 1);
}

function describeError(error) {
  if (error?.code === "D1012") return "took too long";
  if (error?.code === "D1011") return "calls itself too deeply";
  if (error instanceof RangeError) return "needs too much memory, or is nested too deeply";
  const at = typeof error?.position === "number" ? ` (at character ${error.position})` : "";
  // Liquid shows the template in further lines
  return `${String(error?.message ?? error)
    .split("\n")[0]
    .slice(0, 500)}${at}`;
}
