import jsonata from "jsonata";
import { compilePattern } from "./regex-engine.mjs";

const MAX_CHARACTERS = 10_000;

/** What a workflow's expression may read at its root. Secrets are not among them, on purpose. */
const ROOT_NAMES = ["input", "steps", "run", "item", "itemIndex"];
const WORKFLOW_NAMES = "input, steps, run and item (with itemIndex)";

/**
 * Why a text is no expression that a workflow may hold, or undefined, the ids of the steps that it reads, and
 * the names that it reads at its root. Parses only; evaluates nothing. `names`: what there is at the root, when the
 * expression is not a workflow's.
 */
export function inspectExpression(text, names = ROOT_NAMES) {
  if (text.length > MAX_CHARACTERS)
    return { error: `is longer than ${MAX_CHARACTERS} characters`, stepIds: [], rootNames: [] };
  const facts = {
    names: new Set(names),
    bound: new Set(),
    stepIds: new Set(),
    rootNames: new Set(),
    errors: [],
  };
  try {
    walk(jsonata(text).ast(), true, facts);
  } catch (error) {
    return { error: describeSyntaxError(error), stepIds: [], rootNames: [] };
  }
  const known = { stepIds: [...facts.stepIds], rootNames: [...facts.rootNames] };
  return facts.errors.length > 0 ? { error: facts.errors[0], ...known } : known;
}

function describeSyntaxError(error) {
  if (error instanceof RangeError) return "is nested too deeply";
  const at = typeof error?.position === "number" ? ` (at character ${error.position})` : "";
  return `is no JSONata expression: ${String(error?.message ?? error).slice(0, 300)}${at}`;
}

/** `isRoot`: whether names at this place are looked up in `{ input, steps, run, item, itemIndex }` itself. */
function walk(node, isRoot, facts) {
  if (node === null || typeof node !== "object") return;
  noteVariable(node, facts);
  if (node.type === "path") walkPath(node, isRoot, facts);
  else if (node.type === "regex") walkRegex(node, facts);
  else if (node.type === "function" && facts.names.has("steps") && isStepLookup(node)) {
    facts.stepIds.add(node.arguments[1].value);
    facts.rootNames.add("steps");
  } else walkChildren(node, isRoot, facts);
  walkFilters(node, isRoot && isRootVariable(node, isRoot), facts);
}

function walkPath(path, isRoot, facts) {
  let atRoot = isRoot;
  path.steps.forEach((step, at) => {
    if (step.type === "name" && atRoot) noteRootName(step.value, path.steps[at + 1], facts);
    const staysAtRoot = isRootVariable(step, atRoot) || (atRoot && step.focus !== undefined);
    if (step.type === "sort") for (const term of step.terms) walk(term.expression, false, facts);
    else if (step.type !== "name") walk(step, atRoot, facts);
    if (step.type === "name") walkFilters(step, false, facts);
    atRoot = staysAtRoot;
  });
}

const SECRET = /^secrets?$/i;
const NO_SECRETS = "must not read secrets: map a secret to an input of a step instead";

/** `$secrets` would be nothing at all: whoever writes it believes to read a secret. A variable of the text's own may be called so. */
function noteVariable(node, { bound, errors }) {
  if (node.type === "bind") bound.add(node.lhs.value);
  else if (node.type === "lambda") for (const argument of node.arguments) bound.add(argument.value);
  else if (node.type === "variable" && SECRET.test(node.value) && !bound.has(node.value))
    errors.push(NO_SECRETS);
}

/** `$$` is the root anywhere, `$` where the root is the context. */
function isRootVariable(node, isRoot) {
  return node.type === "variable" && (node.value === "$" || (node.value === "" && isRoot));
}

function noteRootName(name, next, facts) {
  facts.rootNames.add(name);
  if (name === "steps" && facts.names.has(name)) {
    if (next?.type === "name") facts.stepIds.add(next.value);
    else facts.errors.push("must name each step that it reads, as steps.<id>");
  } else if (SECRET.test(name)) {
    facts.errors.push(NO_SECRETS);
  } else if (!facts.names.has(name)) {
    const known = facts.names.has("item") ? WORKFLOW_NAMES : [...facts.names].join(", ");
    facts.errors.push(`reads "${name}", but an expression has only ${known}`);
  }
}

/** `$lookup(steps, "some-id")`: the way to write an id with a hyphen without backquotes. */
function isStepLookup(node) {
  const [from, id] = node.arguments;
  return (
    node.procedure.type === "variable" &&
    node.procedure.value === "lookup" &&
    node.arguments.length === 2 &&
    from.type === "path" &&
    from.steps.length === 1 &&
    from.steps[0].value === "steps" &&
    id.type === "string"
  );
}

function walkRegex(node, facts) {
  try {
    compilePattern(node.value.source, node.value.flags);
  } catch (error) {
    facts.errors.push(error.message);
  }
}

/** Predicates, stages and groupings see each item, not the root. */
function walkFilters(node, isRoot, facts) {
  for (const filter of [...(node.predicate ?? []), ...(node.stages ?? [])]) walk(filter.expr, isRoot, facts);
  for (const pair of node.group?.lhs ?? []) for (const part of pair) walk(part, isRoot, facts);
}

const CHILDREN = ["lhs", "rhs", "expression", "condition", "then", "else", "body", "procedure"];
const CHILD_LISTS = ["expressions", "arguments"];
/** Parts of a transform, which see what it is applied to. */
const FOREIGN_CHILDREN = ["pattern", "update", "delete"];

function walkChildren(node, isRoot, facts) {
  for (const name of CHILDREN) {
    const child = node[name];
    // the pairs of an object constructor stand in `lhs`
    if (Array.isArray(child)) for (const pair of child) for (const part of pair) walk(part, isRoot, facts);
    else walk(child, isRoot, facts);
  }
  for (const name of CHILD_LISTS) for (const child of node[name] ?? []) walk(child, isRoot, facts);
  for (const name of FOREIGN_CHILDREN) walk(node[name], false, facts);
}
