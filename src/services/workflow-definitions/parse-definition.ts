import { toSchemaFaults } from "../../contracts/schema-faults.js";
import {
  inputMappingSchema,
  stepSchema,
  type WorkflowDefinitionBody,
  workflowDefinitionBodySchema,
} from "../../contracts/workflow-definition.js";
import { isJsonObject, type JsonObject } from "../../core/json.js";
import type { InputMapping } from "../../core/plan.js";
import type { FieldFault } from "../../errors/app-error.js";

/** What could be read of one step: all of it, or, of a faulty one, the members that are good. */
export interface DraftStep {
  readonly index: number;
  /** As written, even when it is no valid id: other steps may name it. */
  readonly id: string | undefined;
  readonly name?: string | undefined;
  readonly uses?: string | undefined;
  readonly inputs: Readonly<Record<string, InputMapping>>;
  /** Whether `inputs` lacks nothing of what was written. */
  readonly isInputsWhole: boolean;
  readonly dependsOn: readonly string[];
  readonly when?: string | undefined;
  readonly runAfter: string;
  /** The members that were written, good or bad. */
  readonly members: ReadonlySet<string>;
}

/** What could be read of a definition. */
export interface DraftDefinition {
  readonly steps: readonly DraftStep[];
  readonly outputs: Readonly<Record<string, InputMapping>>;
  readonly inputs?: JsonObject | undefined;
  readonly members: ReadonlySet<string>;
}

/** A definition as read: `body` is there exactly when no fault of shape was found. */
export interface ParsedDefinition {
  readonly draft: DraftDefinition;
  readonly body?: WorkflowDefinitionBody;
  readonly faults: readonly FieldFault[];
}

/** Edges and other mappings of one definition; beyond it a graph is no longer drawn or checked in time. */
const MAX_EDGES = 200_000;

const NOTHING: DraftDefinition = { steps: [], outputs: {}, members: new Set() };

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
    steps: body.steps.map((step, index) => ({
      ...step,
      index,
      inputs: step.inputs ?? {},
      isInputsWhole: true,
      dependsOn: step.dependsOn ?? [],
      members: membersOf((value["steps"] as unknown[])[index]),
    })),
    outputs: body.outputs ?? {},
    inputs: body.inputs,
    members: membersOf(value),
  };
  return { draft, body, faults: [] };
}

function findExcess(value: JsonObject, maxSteps: number): FieldFault | undefined {
  const steps = value["steps"];
  if (!Array.isArray(steps)) return undefined;
  if (steps.length > maxSteps) {
    return { path: "/steps", message: `must be at most ${maxSteps} steps, not ${steps.length}` };
  }
  let edges = 0;
  for (const step of steps) {
    if (!isJsonObject(step)) continue;
    if (Array.isArray(step["dependsOn"])) edges += step["dependsOn"].length;
    if (isJsonObject(step["inputs"])) edges += Object.keys(step["inputs"]).length;
  }
  if (edges <= MAX_EDGES) return undefined;
  return {
    path: "/steps",
    message: `must have at most ${MAX_EDGES} inputs and dependencies in all, not ${edges}`,
  };
}

function membersOf(value: unknown): Set<string> {
  return new Set(isJsonObject(value) ? Object.keys(value) : []);
}

/** Keeps what is good of a faulty definition, so that the faults behind the first ones are found as well. */
function salvage(value: JsonObject): DraftDefinition {
  const steps = Array.isArray(value["steps"]) ? value["steps"] : [];
  return {
    steps: steps.map(salvageStep),
    outputs: salvageMappings(value["outputs"]),
    inputs: isJsonObject(value["inputs"]) ? value["inputs"] : undefined,
    members: membersOf(value),
  };
}

function salvageStep(value: unknown, index: number): DraftStep {
  const step = isJsonObject(value) ? value : {};
  const inputs = salvageMappings(step["inputs"]);
  const written = isJsonObject(step["inputs"]) ? Object.keys(step["inputs"]).length : 0;
  const dependsOn = Array.isArray(step["dependsOn"]) ? step["dependsOn"] : [];
  return {
    index,
    id: typeof step["id"] === "string" ? step["id"] : undefined,
    name: stepSchema.shape.name.safeParse(step["name"]).data,
    uses: stepSchema.shape.uses.safeParse(step["uses"]).data,
    inputs,
    isInputsWhole:
      (step["inputs"] === undefined || isJsonObject(step["inputs"])) &&
      Object.keys(inputs).length === written,
    // a place for each, so that pointers stay right; "" names no step and was reported as a fault of shape
    dependsOn: dependsOn.map((id) => (typeof id === "string" ? id : "")),
    when: stepSchema.shape.when.safeParse(step["when"]).data,
    runAfter: stepSchema.shape.runAfter.safeParse(step["runAfter"]).data ?? "allSucceeded",
    members: membersOf(value),
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
