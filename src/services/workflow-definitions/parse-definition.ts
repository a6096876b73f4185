import { toSchemaFaults } from "../../contracts/schema-faults.js";
import {
  inputMappingSchema,
  stepSchema,
  type WorkflowDefinitionBody,
  workflowDefinitionBodySchema,
  type WorkflowStep,
} from "../../contracts/workflow-definition.js";
import { isJsonObject, type JsonObject } from "../../core/json.js";
import type { InputMapping, Phase } from "../../core/plan.js";
import type { FieldFault } from "../../errors/app-error.js";

/** What could be read of one step: all of it, or, of a faulty one, the members that are good. */
export interface DraftStep {
  /** Place among the steps of all phases, as in the plan. */
  readonly index: number;
  readonly phase: Phase;
  /** Where it stands in the definition: a JSON Pointer. */
  readonly path: string;
  /** As written, even when it is no valid id: other steps may name it. */
  readonly id: string | undefined;
  readonly name?: string | undefined;
  readonly uses?: string | undefined;
  readonly inputs: Readonly<Record<string, InputMapping>>;
  /** Whether `inputs` lacks nothing of what was written. */
  readonly isInputsWhole: boolean;
  readonly dependsOn: readonly string[];
  readonly when?: string | undefined;
  readonly forEach?: InputMapping | undefined;
  readonly cache?: { readonly key?: string | undefined } | undefined;
  readonly runAfter: string;
  /** The members that were written, good or bad. */
  readonly members: ReadonlySet<string>;
}

/** What could be read of a definition. */
export interface DraftDefinition {
  /** Those of all phases, in the order of the phases. */
  readonly steps: readonly DraftStep[];
  readonly outputs: Readonly<Record<string, InputMapping>>;
  readonly inputs?: JsonObject | undefined;
  /** The expressions that make the keys of `concurrency` and `rateLimit`, and where they stand. */
  readonly runKeys: readonly { readonly path: string; readonly text: string }[];
}

/** A definition as read: `body` is there exactly when no fault of shape was found. */
export interface ParsedDefinition {
  readonly draft: DraftDefinition;
  readonly body?: WorkflowDefinitionBody;
  readonly faults: readonly FieldFault[];
}

/** The lists of steps, in the order of their phases, and the member of the definition that each stands in. */
export const STEP_LISTS = [
  { phase: "main", member: "steps" },
  { phase: "onFailure", member: "onFailure" },
  { phase: "finally", member: "finally" },
] as const;

/** Dependencies that are written out in one definition; beyond it a graph is no longer drawn or checked in time. */
const MAX_EDGES = 40_000;
/** The same for its inputs, of which most are no edges. */
const MAX_MAPPINGS = 200_000;

const NOTHING: DraftDefinition = { steps: [], outputs: {}, runKeys: [] };

/** Reads a definition, judging its shape alone. Too large a one is refused before it is looked at closely. */
export function parseDefinition(value: unknown, maxSteps: number): ParsedDefinition {
  if (value === undefined) return { draft: NOTHING, faults: [{ path: "", message: "is required" }] };
  if (!isJsonObject(value)) return { draft: NOTHING, faults: [{ path: "", message: "must be an object" }] };
  const tooLarge = findExcess(value, maxSteps);
  if (tooLarge) return { draft: NOTHING, faults: [tooLarge] };
  const result = workflowDefinitionBodySchema.safeParse(value);
  if (!result.success) return { draft: salvage(value), faults: toSchemaFaults(result.error.issues) };
  const body = result.data;
  const draft = {
    steps: placeSteps((member) => body[member], value, wholeStep),
    outputs: body.outputs ?? {},
    inputs: body.inputs,
    runKeys: runKeysOf(body.concurrency?.key, body.rateLimit?.key),
  };
  return { draft, body, faults: [] };
}

function findExcess(value: JsonObject, maxSteps: number): FieldFault | undefined {
  const steps = STEP_LISTS.flatMap(({ member }) => listIn(value, member));
  if (steps.length > maxSteps) {
    return { path: "/steps", message: `must be at most ${maxSteps} steps, not ${steps.length}` };
  }
  const edges = count(steps, countEdges);
  if (edges > MAX_EDGES) return tooMany(MAX_EDGES, "dependencies", edges);
  const mappings = count(steps, (step) => inputsOf(step).length);
  return mappings > MAX_MAPPINGS ? tooMany(MAX_MAPPINGS, "inputs", mappings) : undefined;
}

function tooMany(limit: number, of: string, found: number): FieldFault {
  return { path: "/steps", message: `must have at most ${limit} ${of} in all, not ${found}` };
}

function count(steps: readonly unknown[], of: (step: JsonObject) => number): number {
  return steps.reduce<number>((sum, step) => sum + (isJsonObject(step) ? of(step) : 0), 0);
}

function countEdges(step: JsonObject): number {
  const listed = Array.isArray(step["dependsOn"]) ? step["dependsOn"].length : 0;
  return listed + inputsOf(step).filter((mapping) => isJsonObject(mapping) && "step" in mapping).length;
}

function inputsOf(step: JsonObject): unknown[] {
  return isJsonObject(step["inputs"]) ? Object.values(step["inputs"]) : [];
}

function listIn(value: JsonObject, member: string): unknown[] {
  const list = value[member];
  return Array.isArray(list) ? list : [];
}

type Placed = Pick<DraftStep, "index" | "phase" | "path" | "members">;

/** The steps of all lists, each with its place. */
function placeSteps<Read>(
  listOf: (member: (typeof STEP_LISTS)[number]["member"]) => readonly Read[] | undefined,
  written: JsonObject,
  toDraft: (step: Read, place: Placed) => DraftStep,
): DraftStep[] {
  const steps: DraftStep[] = [];
  for (const { phase, member } of STEP_LISTS) {
    const originals = listIn(written, member);
    listOf(member)?.forEach((step, at) => {
      const members = membersOf(originals[at]);
      steps.push(toDraft(step, { index: steps.length, phase, path: `/${member}/${at}`, members }));
    });
  }
  return steps;
}

function wholeStep(step: WorkflowStep, { index, phase, path, members }: Placed): DraftStep {
  return {
    index,
    phase,
    path,
    members,
    id: step.id,
    name: step.name,
    uses: step.uses,
    inputs: step.inputs ?? {},
    isInputsWhole: true,
    dependsOn: step.dependsOn ?? [],
    when: step.when,
    forEach: step.forEach,
    cache: step.cache,
    runAfter: step.runAfter,
  };
}

function membersOf(value: unknown): Set<string> {
  return new Set(isJsonObject(value) ? Object.keys(value) : []);
}

function runKeysOf(concurrencyKey: string | undefined, rateLimitKey: string | undefined) {
  return [
    ...(concurrencyKey === undefined ? [] : [{ path: "/concurrency/key", text: concurrencyKey }]),
    ...(rateLimitKey === undefined ? [] : [{ path: "/rateLimit/key", text: rateLimitKey }]),
  ];
}

/** Keeps what is good of a faulty definition, so that the faults behind the first ones are found as well. */
function salvage(value: JsonObject): DraftDefinition {
  const { concurrency, rateLimit } = workflowDefinitionBodySchema.shape;
  return {
    steps: placeSteps((member) => listIn(value, member), value, salvageStep),
    outputs: salvageMappings(value["outputs"]),
    inputs: isJsonObject(value["inputs"]) ? value["inputs"] : undefined,
    runKeys: runKeysOf(
      concurrency.safeParse(value["concurrency"]).data?.key,
      rateLimit.safeParse(value["rateLimit"]).data?.key,
    ),
  };
}

function salvageStep(value: unknown, place: Placed): DraftStep {
  const step = isJsonObject(value) ? value : {};
  const inputs = salvageMappings(step["inputs"]);
  const written = isJsonObject(step["inputs"]) ? Object.keys(step["inputs"]).length : 0;
  const dependsOn = Array.isArray(step["dependsOn"]) ? step["dependsOn"] : [];
  const { shape } = stepSchema;
  return {
    ...place,
    id: typeof step["id"] === "string" ? step["id"] : undefined,
    name: shape.name.safeParse(step["name"]).data,
    uses: shape.uses.safeParse(step["uses"]).data,
    inputs,
    isInputsWhole:
      (step["inputs"] === undefined || isJsonObject(step["inputs"])) &&
      Object.keys(inputs).length === written,
    // a place for each, so that pointers stay right; "" names no step and was reported as a fault of shape
    dependsOn: dependsOn.map((id) => (typeof id === "string" ? id : "")),
    when: shape.when.safeParse(step["when"]).data,
    forEach: shape.forEach.safeParse(step["forEach"]).data,
    cache: shape.cache.safeParse(step["cache"]).data,
    runAfter: shape.runAfter.safeParse(step["runAfter"]).data ?? "allSucceeded",
  };
}

function salvageMappings(value: unknown): Record<string, InputMapping> {
  if (!isJsonObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, mapping]) => {
      const result = inputMappingSchema.safeParse(mapping);
      return result.success ? [[name, result.data]] : [];
    }),
  );
}
