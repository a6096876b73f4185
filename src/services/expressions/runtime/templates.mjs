import { Liquid } from "liquidjs";

/**
 * Liquid templates of prompts. A template reads its variables and nothing else: no files, no prototypes, no other
 * templates.
 */

const MAX_TEMPLATE_CHARACTERS = 262_144;
const MAX_RENDERED_CHARACTERS = 8 * 1024 * 1024;
/** In liquidjs's own units, about characters; the heap's limit is the one that always holds. */
const MEMORY_LIMIT = 32_000_000;
const MAX_CACHED = 100;
/** Tags that bring in other templates; there are none. */
const FOREIGN_TAGS = ["include", "render", "layout", "block"];

const templates = new Map();

const noFiles = {
  exists: () => Promise.resolve(false),
  existsSync: () => false,
  readFile: () => Promise.reject(new Error("templates read no files")),
  readFileSync: () => {
    throw new Error("templates read no files");
  },
  resolve: (_dir, file) => file,
  contains: () => Promise.resolve(false),
  containsSync: () => false,
};

const engine = new Liquid({
  fs: noFiles,
  ownPropertyOnly: true,
  strictFilters: true,
  strictVariables: true,
  lenientIf: true,
  relativeReference: false,
  dynamicPartials: false,
  cache: false,
  parseLimit: MAX_TEMPLATE_CHARACTERS,
  memoryLimit: MEMORY_LIMIT,
  outputEscape: toText,
});
for (const name of FOREIGN_TAGS) delete engine.tags[name];

/** Why a text is no template, or undefined. Parses only; renders nothing. */
export function inspectTemplate(text) {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return describeTemplateError(error);
  }
}

/** The text of a template over these variables. Throws an Error that a user can read. */
export async function renderTemplate({ text, variables, timeoutMs }) {
  let rendered;
  try {
    rendered = await engine.render(parse(text), variables, { renderLimit: timeoutMs });
  } catch (error) {
    throw new Error(describeTemplateError(error), { cause: error });
  }
  if (rendered.length > MAX_RENDERED_CHARACTERS) {
    throw new Error(`gives more than ${MAX_RENDERED_CHARACTERS} characters`);
  }
  return rendered;
}

/** What stands in a prompt for a value: data as JSON, where Liquid would write "[object Object]". */
function toText(value) {
  const isData = Array.isArray(value)
    ? value.some((item) => typeof item === "object" && item !== null)
    : typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isData ? JSON.stringify(value) : value;
}

function parse(text) {
  const known = templates.get(text);
  if (known) return known;
  const parsed = engine.parse(text);
  templates.set(text, parsed);
  if (templates.size > MAX_CACHED) templates.delete(templates.keys().next().value);
  return parsed;
}

/** The first line alone: those that follow quote the template. */
function describeTemplateError(error) {
  if (error instanceof RangeError) return "needs too much memory, or is nested too deeply";
  const [message = ""] = String(error?.message ?? error).split("\n");
  if (message.startsWith("template render limit")) return "took too long";
  if (message.startsWith("memory alloc limit")) return "needs too much memory";
  return `is no usable Liquid template: ${message.slice(0, 500)}`;
}
