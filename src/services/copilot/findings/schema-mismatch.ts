import type { Estimate, PatchOperation } from "../../../contracts/api/copilot.js";
import { parsePointer, resolvePointer, toPointer } from "../../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";
import type { InputMapping } from "../../../core/plan.js";
import type { Candidate } from "../candidate.js";
import type { GroundStep, WorkflowGround } from "../ground/workflow-ground.js";
import { canFit, followSchema, nearestName, type SchemaPlace, typesOf } from "../json-types.js";
import {
  componentOf,
  type FindingRule,
  evidenceOf,
  type RecordedOutput,
  type RuleTools,
} from "./finding-rule.js";

/** Inputs that cannot fit what they are mapped from: by the schemas of both ends, or by what was recorded. */
export const schemaMismatch: FindingRule = {
  kind: "schema-mismatch",
  async find(ground, tools) {
    const edges = ground.steps.flatMap((step) =>
      Object.entries(step.inputs).map(([name, mapping]) => ({ step, name, mapping })),
    );
    const found = await Promise.all(edges.map(async (edge) => await judgeEdge(ground, tools, edge)));
    return found.filter((one) => one !== undefined);
  },
};

interface Edge {
  readonly step: GroundStep;
  readonly name: string;
  readonly mapping: InputMapping;
}

/** What stands at the other end of an edge. */
interface Source {
  readonly words: string;
  readonly place: SchemaPlace;
  readonly pointer: string;
  readonly recorded: readonly RecordedOutput[];
}

async function judgeEdge(
  ground: WorkflowGround,
  tools: RuleTools,
  edge: Edge,
): Promise<Candidate | undefined> {
  const source = await findSource(ground, tools, edge.mapping);
  if (!source) return undefined;
  if (source.place.kind === "missing") return describeMissing(ground, edge, source);
  const wanted = wantedSchema(ground, edge);
  const wantedTypes = wanted && typesOf(wanted);
  if (!wanted || !wantedTypes) return undefined;
  const given = source.place.kind === "schema" ? typesOf(source.place.schema) : undefined;
  if (given)
    return canFit(given, wantedTypes)
      ? undefined
      : await describeTypes(ground, tools, { edge, source, wanted, given, wantedTypes });
  return undefined;
}

function wantedSchema(ground: WorkflowGround, { step, name }: Edge): JsonObject | undefined {
  const schema = componentOf(ground, step)?.inputSchema;
  const properties = schema?.["properties"];
  const found = isJsonObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  // of a forEach the mapping `item` says what one execution gets
  return isJsonObject(found) ? found : undefined;
}

async function findSource(
  ground: WorkflowGround,
  tools: RuleTools,
  mapping: InputMapping,
): Promise<Source | undefined> {
  if ("input" in mapping) {
    const { inputs } = ground.definition;
    if (!isJsonObject(inputs)) return undefined;
    const place = followSchema(inputs, mapping.input);
    return { words: `the run's input at "${mapping.input}"`, place, pointer: mapping.input, recorded: [] };
  }
  if (!("step" in mapping)) return undefined;
  const producer = ground.steps.find((step) => step.plan.id === mapping.step);
  // the output of a forEach is the array of its items' outputs
  if (!producer || producer.plan.forEach !== undefined) return undefined;
  const schema = componentOf(ground, producer)?.outputSchema ?? undefined;
  const place: SchemaPlace = schema ? followSchema(schema, mapping.output) : { kind: "unknown" };
  const recorded = await tools.readOutputs(mapping.step);
  const words = `${mapping.step}${mapping.output}`;
  if (place.kind !== "unknown") return { words, place, pointer: mapping.output, recorded };
  return { words, place: findInRecorded(recorded, mapping.output), pointer: mapping.output, recorded };
}

/** Without a schema: what no recorded output has at a pointer is missing. */
function findInRecorded(recorded: readonly RecordedOutput[], pointer: string): SchemaPlace {
  const outputs = recorded.map((one) => one.output);
  if (outputs.length < 2 || outputs.some((output) => resolvePointer(output, pointer) !== undefined))
    return { kind: "unknown" };
  const tokens = parsePointer(pointer) ?? [];
  const depth = tokens.findIndex((_, at) =>
    outputs.every((output) => resolvePointer(output, toPointer(tokens.slice(0, at + 1))) === undefined),
  );
  const parents = outputs.map((output) => resolvePointer(output, toPointer(tokens.slice(0, depth))));
  const known = [...new Set(parents.flatMap((parent) => (isJsonObject(parent) ? Object.keys(parent) : [])))];
  return known.length === 0
    ? { kind: "unknown" }
    : { kind: "missing", token: tokens[depth] ?? "", known, depth };
}

function describeMissing(ground: WorkflowGround, { step, name, mapping }: Edge, source: Source): Candidate {
  const place = source.place as Extract<SchemaPlace, { kind: "missing" }>;
  const near = nearestName(place.token, place.known);
  const tokens = parsePointer(source.pointer) ?? [];
  const mended =
    near === undefined
      ? undefined
      : toPointer(tokens.map((token, at) => (at === place.depth ? near : token)));
  const member = "input" in mapping ? "input" : "output";
  const patch: PatchOperation[] =
    mended === undefined
      ? []
      : [{ op: "replace", path: `${step.path}/inputs${toPointer([name])}/${member}`, value: mended }];
  const estimate =
    mended === undefined ? undefined : replay(source, (output) => resolvePointer(output, mended));
  return {
    kind: schemaMismatch.kind,
    title: `${step.plan.id} reads "${place.token}", which ${source.words.replace(source.pointer, "") || source.words} does not have`,
    detail:
      `${name} is mapped from ${source.words}. There is ${place.known.slice(0, 20).join(", ") || "nothing"}` +
      (near === undefined ? "." : `: "${near}" is the nearest.`),
    severity: "error",
    ...(patch.length > 0 ? { patch } : {}),
    ...(estimate ? { estimate } : {}),
    evidence: evidenceOf(ground, step, { runIds: source.recorded.map((one) => one.runId) }),
  };
}

/** Expressions that turn one type into another. */
const CONVERSIONS: readonly (readonly [string, string, (text: string) => string])[] = [
  ["string", "number", (text) => `$number(${text})`],
  ["string", "integer", (text) => `$number(${text})`],
  ["number", "string", (text) => `$string(${text})`],
  ["integer", "string", (text) => `$string(${text})`],
  ["boolean", "string", (text) => `$string(${text})`],
  ["object", "array", (text) => `[${text}]`],
  ["array", "integer", (text) => `$count(${text})`],
];

interface TypeClash {
  readonly edge: Edge;
  readonly source: Source;
  readonly wanted: JsonObject;
  readonly given: readonly string[];
  readonly wantedTypes: readonly string[];
}

async function describeTypes(
  ground: WorkflowGround,
  tools: RuleTools,
  { edge, source, wanted, given, wantedTypes }: TypeClash,
): Promise<Candidate> {
  const { step, name, mapping } = edge;
  const convert = CONVERSIONS.find(
    ([from, to]) => given.length === 1 && given[0] === from && wantedTypes.includes(to),
  );
  const expression = convert?.[2](toExpression(mapping));
  const patch: PatchOperation[] =
    expression === undefined
      ? []
      : [{ op: "replace", path: `${step.path}/inputs${toPointer([name])}`, value: { expression } }];
  const estimate =
    expression === undefined
      ? undefined
      : await tryConversion(tools, { source, wanted, mapping, expression });
  return {
    kind: schemaMismatch.kind,
    title: `${step.plan.id} wants ${wantedTypes.join(" or ")} for ${name}, and gets ${given.join(" or ")}`,
    detail:
      `${name} is mapped from ${source.words}, which is ${given.join(" or ")} by its schema.` +
      (expression === undefined ? "" : ` The expression ${expression} converts it.`),
    severity: "error",
    ...(patch.length > 0 ? { patch } : {}),
    ...(estimate ? { estimate } : {}),
    evidence: evidenceOf(ground, step, { runIds: source.recorded.map((one) => one.runId) }),
  };
}

/** `steps.load.output.rows[0]`: the mapping as JSONata. */
function toExpression(mapping: InputMapping): string {
  const [root, pointer] =
    "step" in mapping
      ? [`steps.${quoted(mapping.step)}.output`, mapping.output]
      : ["input", "input" in mapping ? mapping.input : ""];
  const tokens = parsePointer(pointer) ?? [];
  return tokens.reduce(
    (text, token) => (/^\d+$/.test(token) ? `${text}[${token}]` : `${text}.${quoted(token)}`),
    root,
  );
}

function quoted(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `\`${name}\``;
}

/** Of the recorded outputs, how many fit before and after; nothing is executed but the expression. */
async function tryConversion(
  { evaluator }: RuleTools,
  {
    source,
    wanted,
    mapping,
    expression,
  }: { source: Source; wanted: JsonObject; mapping: InputMapping; expression: string },
): Promise<Estimate | undefined> {
  if (!("step" in mapping) || source.recorded.length === 0) return undefined;
  let before = 0;
  let after = 0;
  for (const { output } of source.recorded) {
    const raw = resolvePointer(output, mapping.output);
    if (raw !== undefined && (await evaluator.validate(wanted, raw)).length === 0) before += 1;
    const steps: JsonValue = { [mapping.step]: { output } };
    const converted = await evaluator.evaluate(expression, { steps }).catch(() => undefined);
    if (converted !== undefined && (await evaluator.validate(wanted, converted)).length === 0) after += 1;
  }
  return toReplay(before, after, source.recorded.length);
}

function replay(source: Source, read: (output: JsonValue) => JsonValue | undefined): Estimate | undefined {
  if (source.recorded.length === 0) return undefined;
  const before = source.recorded.filter(
    ({ output }) => resolvePointer(output, source.pointer) !== undefined,
  ).length;
  const after = source.recorded.filter(({ output }) => read(output) !== undefined).length;
  return toReplay(before, after, source.recorded.length);
}

function toReplay(before: number, after: number, runs: number): Estimate {
  const note = "Recorded outputs for which the input is there and fits.";
  return { basis: "replayed", metric: "fittingInputs", before, after, runs, note };
}
