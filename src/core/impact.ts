import { parsePointer, toPointer } from "./json-pointer.js";
import { type InputMapping, phaseOf, type PlanStep, type RunPlan } from "./plan.js";
import type { ToolChange } from "./tool-diff.js";

/** Something in a workflow that would no longer hold if one of its components changed. */
export interface BrokenUse {
  /** As the workflow's graph names it; null where no edge is. */
  readonly edgeId: string | null;
  readonly source: string | null;
  readonly target: string | null;
  /** JSON Pointer into the workflow's definition. */
  readonly path: string;
  /** JSON Pointer into the component's schemas. */
  readonly schemaPath: string;
  readonly message: string;
}

/** A change of a schema by what it says of a value: which member, and whether it holds for all below. */
interface ValueChange {
  readonly side: "input" | "output";
  /** Names of members; `*` is any item. */
  readonly place: readonly string[];
  readonly isDeep: boolean;
  readonly isMissing: boolean;
  readonly schemaPath: string;
  readonly message: string;
}

/** What a read of a component's output is, wherever it stands. */
interface OutputRead {
  readonly target: string | null;
  readonly path: string;
  readonly place: readonly string[];
  readonly isExpression: boolean;
}

const LISTS = { main: "steps", onFailure: "onFailure", finally: "finally" } as const;
/** Keywords whose change says something of every member below. */
const DEEP = new Set(["type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "items"]);

/**
 * What breaks in a workflow when a step's component takes other schemas: `changes` are the breaking ones, as
 * `diffTools` tells them. Reads by pointer are judged exactly, reads by expression as far as their paths can be seen.
 */
export function findBrokenUses(plan: RunPlan, step: PlanStep, changes: readonly ToolChange[]): BrokenUse[] {
  const judged = changes.filter((change) => change.kind === "breaking").flatMap(toValueChange);
  const reads = readsOf(plan, step);
  return [
    ...judged.filter((change) => change.side === "input").flatMap((change) => judgeInput(plan, step, change)),
    ...judged
      .filter((change) => change.side === "output")
      .flatMap((change) =>
        reads.filter((read) => isTouched(read, change)).map((read) => toBreak(step, read, change)),
      ),
  ];
}

function toValueChange({ path, message }: ToolChange): ValueChange[] {
  const tokens = parsePointer(path) ?? [];
  const side = tokens[0] === "inputSchema" ? "input" : tokens[0] === "outputSchema" ? "output" : undefined;
  if (!side) return [];
  const place: string[] = [];
  let keyword: string | undefined;
  for (let at = 1; at < tokens.length; at += 1) {
    const token = tokens[at] ?? "";
    if (token === "properties" && at + 1 < tokens.length) {
      place.push(tokens[at + 1] ?? "");
      at += 1;
    } else if (token === "items" && at + 1 < tokens.length) place.push("*");
    else {
      keyword = token;
      break;
    }
  }
  const named = keyword === "required" ? /names (.+)$/su.exec(message)?.[1] : undefined;
  return [
    {
      side,
      place: named === undefined ? place : [...place, named],
      isDeep: keyword === undefined || DEEP.has(keyword),
      isMissing: named !== undefined && side === "input",
      schemaPath: path,
      message,
    },
  ];
}

/** Whether what is read is the changed value, holds it, or lies in it. */
function isTouched(read: OutputRead, change: ValueChange): boolean {
  // JSONata walks through arrays without being told
  const clean = (names: readonly string[]) =>
    read.isExpression ? names.filter((name) => name !== "*") : names;
  const [place, changed] = [clean(read.place), clean(change.place)];
  const shared = Math.min(place.length, changed.length);
  for (let at = 0; at < shared; at += 1) if (place[at] !== changed[at]) return false;
  return place.length <= changed.length || change.isDeep;
}

function judgeInput(plan: RunPlan, step: PlanStep, change: ValueChange): BrokenUse[] {
  const base = `${pathOf(plan, step)}/inputs`;
  const [name] = change.place;
  const common = { schemaPath: change.schemaPath };
  if (step.wholeInput) return [];
  if (name === undefined) {
    const message = `${step.id}: the component's inputSchema ${change.message}`;
    return [{ ...common, edgeId: null, source: null, target: step.id, path: base, message }];
  }
  const mapping = Object.hasOwn(step.inputs, name) ? step.inputs[name] : undefined;
  if (change.isMissing && change.place.length === 1) {
    if (mapping) return [];
    const message = `${step.id} gives no "${name}", which the component would require`;
    return [{ ...common, edgeId: null, source: null, target: step.id, path: base, message }];
  }
  if (!mapping) return [];
  const source = "step" in mapping ? mapping.step : null;
  return [
    {
      ...common,
      edgeId: source === null ? null : `${source}->${step.id}`,
      source,
      target: step.id,
      path: base + toPointer([name]),
      message: `${describeSource(mapping)} goes into "${change.place.join(".")}" of ${step.id}, which ${change.message}`,
    },
  ];
}

function describeSource(mapping: InputMapping): string {
  if ("step" in mapping) return `${mapping.output || "the output"} of ${mapping.step}`;
  if ("input" in mapping) return `${mapping.input || "the whole"} of the run's input`;
  if ("secret" in mapping) return `the secret ${mapping.secret}`;
  return "value" in mapping ? "a constant" : "an expression";
}

function toBreak(step: PlanStep, read: OutputRead, change: ValueChange): BrokenUse {
  const who = read.target === null ? "The workflow's output" : read.target;
  const what = change.place.join(".") || "the output";
  return {
    edgeId: read.target === null || read.target === step.id ? null : `${step.id}->${read.target}`,
    source: step.id,
    target: read.target,
    path: read.path,
    schemaPath: change.schemaPath,
    message: `${who} reads ${toPointer(read.place) || "the output"} of ${step.id}${read.isExpression ? " in an expression" : ""}, where ${what} ${change.message}`,
  };
}

/** Every read of a step's output in its workflow. */
function readsOf(plan: RunPlan, step: PlanStep): OutputRead[] {
  const ofStep = (reader: PlanStep): OutputRead[] => {
    const base = pathOf(plan, reader);
    return [
      ...Object.entries(reader.inputs).flatMap(([name, mapping]) =>
        readsIn(mapping, step, reader.id, base + toPointer(["inputs", name])),
      ),
      ...(reader.forEach ? readsIn(reader.forEach, step, reader.id, `${base}/forEach`) : []),
      ...(reader.when ? readsInText(reader.when, step, reader.id, `${base}/when`) : []),
      ...(reader.cache?.key ? readsInText(reader.cache.key, step, reader.id, `${base}/cache/key`) : []),
    ];
  };
  const outputs = Object.entries(plan.outputs ?? {}).flatMap(([name, mapping]) =>
    readsIn(mapping, step, null, toPointer(["outputs", name])),
  );
  return [...plan.steps.flatMap(ofStep), ...outputs];
}

function readsIn(mapping: InputMapping, step: PlanStep, target: string | null, path: string): OutputRead[] {
  if ("expression" in mapping) return readsInText(mapping.expression, step, target, path);
  if (!("step" in mapping) || mapping.step !== step.id) return [];
  const place = (parsePointer(mapping.output) ?? []).map((token) => (/^\d+$/.test(token) ? "*" : token));
  // the output of a forEach is the array of its items' outputs
  return [{ target, path, place: step.forEach ? place.slice(1) : place, isExpression: false }];
}

/** Paths of JSONata that begin with the step's output, as far as they are plain names and positions. */
function readsInText(text: string, step: PlanStep, target: string | null, path: string): OutputRead[] {
  const reads: OutputRead[] = [];
  const pattern = new RegExp(
    `steps\\s*\\.\\s*\`?${step.id}\`?\\s*\\.\\s*output((?:\\s*\\.\\s*(?:[A-Za-z_]\\w*|\`[^\`]+\`)(?![\\w(])|\\s*\\[\\s*\\d+\\s*\\])*)`,
    "g",
  );
  for (const [, rest = ""] of text.matchAll(pattern)) {
    const place = [...rest.matchAll(/\[\s*\d+\s*\]|`([^`]+)`|([A-Za-z_]\w*)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? "*",
    );
    reads.push({
      target,
      path,
      place: step.forEach && place[0] === "*" ? place.slice(1) : place,
      isExpression: true,
    });
  }
  return reads;
}

/** JSON Pointer of a step in the definition that its plan was compiled from. */
function pathOf(plan: RunPlan, step: PlanStep): string {
  const phase = phaseOf(step);
  const at = plan.steps.filter((other) => phaseOf(other) === phase).indexOf(step);
  return `/${LISTS[phase]}/${at}`;
}
