import { Liquid } from "liquidjs";

const MAX_TEMPLATE_CHARACTERS = 262_144;
const MAX_RESULT_CHARACTERS = 4 * 1024 * 1024;
const MAX_CACHED = 200;
/** Tags that would read other templates: there are none. */
const FILE_TAGS = ["include", "render", "layout", "block"];

/** Templates read no files, whatever they name: neither ours nor each other's. */
const refuse = () => {
  throw new Error("a template cannot include another one");
};
const NO_FILES = {
  existsSync: () => false,
  exists: async () => false,
  contains: async () => false,
  containsSync: () => false,
  readFileSync: refuse,
  readFile: async () => refuse(),
  resolve: refuse,
  sep: "/",
};

const engine = new Liquid({
  fs: NO_FILES,
  root: [],
  relativeReference: false,
  cache: false,
  ownPropertyOnly: true,
  strictVariables: true,
  strictFilters: true,
  // optional inputs: `{% if x %}` and `{{ x | default: "…" }}` may ask for what is not there
  lenientIf: true,
  // "[object Object]" in a prompt is never what its author meant
  outputEscape: (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : value),
  parseLimit: MAX_TEMPLATE_CHARACTERS,
  renderLimit: 800,
  memoryLimit: 16 * 1024 * 1024,
});
for (const tag of FILE_TAGS) {
  engine.registerTag(tag, {
    parse() {
      throw new Error(`there is no tag "${tag}": a template cannot include another one`);
    },
    render: refuse,
  });
}

/** Parsed templates by their text, the least recently used first. */
const parsed = new Map();

function parse(text) {
  if (text.length > MAX_TEMPLATE_CHARACTERS) {
    throw new Error(`the template is longer than ${MAX_TEMPLATE_CHARACTERS} characters`);
  }
  const template = parsed.get(text) ?? engine.parse(text);
  parsed.delete(text);
  parsed.set(text, template);
  if (parsed.size > MAX_CACHED) parsed.delete(parsed.keys().next().value);
  return template;
}

/** The text of a template over variables. Throws an Error that a user can read. */
export function renderTemplate(text, variables) {
  const result = engine.renderSync(parse(text), variables);
  if (typeof result !== "string" || result.length > MAX_RESULT_CHARACTERS) {
    throw new Error(`the text is longer than ${MAX_RESULT_CHARACTERS} characters`);
  }
  return result;
}

/** The variables that a template reads, or why it is none. Renders nothing. */
export function inspectTemplate(text) {
  try {
    return { variables: engine.globalVariablesSync(parse(text), { partials: false }) };
  } catch (error) {
    if (error instanceof RangeError) return { error: "is nested too deeply", variables: [] };
    return { error: `is no Liquid template: ${describeTemplateError(error)}`, variables: [] };
  }
}

/** The first line says what and where; the rest shows the template itself. */
export function describeTemplateError(error) {
  return String(error?.message ?? error)
    .split("\n")[0]
    .slice(0, 500);
}
