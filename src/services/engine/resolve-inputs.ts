import type { Knex } from "knex";
import { HIDDEN_TEXT } from "../../core/hidden-text.js";
import { resolvePointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { InputMapping, PlanStep, RunPlan } from "../../core/plan.js";
import type { StepStatus } from "../../core/statuses.js";
import { ITEMS_PER_CHUNK } from "./step-changes.js";
import { EvaluationBusyError, EvaluationError, type SafeEvaluator } from "../evaluation-types.js";

/** What mappings and expressions read: `{ input, steps, run }`, and within a `forEach` the item and its place. */
export type RunBindings = {
  readonly input: JsonValue;
  readonly steps: { [stepId: string]: { output: JsonValue; status: StepStatus; error: JsonValue } };
  readonly run: JsonObject;
  readonly item?: JsonValue;
  readonly itemIndex?: number;
};

/** The values of a set of mappings, and the same with secrets hidden, fit to be stored. */
export interface ResolvedInputs {
  readonly values: JsonObject;
  readonly shown: JsonObject;
  /** The secret values that went in, for masking. */
  readonly secretValues: readonly string[];
  /** Of each secret among them that is bound to hosts: those hosts. */
  readonly secretHosts: readonly (readonly string[])[];
}

/** A mapping that could not be resolved. The message is fit for users. */
export class MappingError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "MappingError";
  }
}

/** A secret's value and the hosts that it may be sent to; null: any. */
export interface BoundSecret {
  readonly value: string;
  readonly hosts: readonly string[] | null;
}

/** The dependencies of the resolver. */
export interface InputResolverDeps {
  readonly knex: Knex;
  readonly evaluator: SafeEvaluator;
  /** Reads an output that is too large for its row. */
  readonly readLargeOutput: (artifactId: string) => Promise<JsonValue>;
  readonly readSecrets: (names: readonly string[]) => Promise<ReadonlyMap<string, BoundSecret>>;
  /** Most items of a `forEach`. */
  readonly maxItems: number;
}

/** Shown in place of a secret wherever inputs are stored. */

/** Reads what steps may see of their run, and resolves input mappings and conditions against it. */
export function createInputResolver(deps: InputResolverDeps) {
  return {
    /**
     * The inputs of a step. A mapping that finds nothing leaves its input out.
     * @param itemIndex the item of a `forEach`, else −1.
     * @throws MappingError
     */
    async resolveInputs(
      runId: string,
      plan: RunPlan,
      step: PlanStep,
      itemIndex: number,
    ): Promise<ResolvedInputs> {
      const isWhole = step.wholeInput === true;
      const mappings = Object.values(step.inputs);
      if (!isWhole && mappings.every((mapping) => "value" in mapping))
        return await resolve(deps, step.inputs, EMPTY);
      const context = await readContext(deps, { runId, plan, step, itemIndex }, mappings);
      if (!isWhole) return await resolve(deps, step.inputs, context);
      const values = isJsonObject(context.input) ? context.input : {};
      return { values, shown: values, secretValues: [], secretHosts: [] };
    },
    /**
     * Whether a step's `when` holds.
     * @throws MappingError
     */
    async isWanted(runId: string, plan: RunPlan, step: PlanStep): Promise<boolean> {
      if (step.when === undefined) return true;
      const context = await readContext(deps, { runId, plan, step, itemIndex: -1 }, [
        { expression: step.when },
      ]);
      return isTruthy(await evaluate(deps, "the condition", step.when, context));
    },
    /**
     * The items of a step's `forEach`.
     * @throws MappingError also when it is no array, or a longer one than is allowed.
     */
    async resolveItems(runId: string, plan: RunPlan, step: PlanStep): Promise<readonly JsonValue[]> {
      if (step.forEach === undefined || "secret" in step.forEach)
        throw new MappingError("there is no forEach");
      const context = await readContext(deps, { runId, plan, step, itemIndex: -1 }, [step.forEach]);
      const items = await resolveOne(deps, "forEach", step.forEach, context);
      if (!Array.isArray(items))
        throw new MappingError(`forEach must be an array, not ${describeType(items)}`);
      if (items.length > deps.maxItems)
        throw new MappingError(`forEach has ${items.length} items, more than the limit of ${deps.maxItems}`);
      return items;
    },
    /**
     * The value of an expression as a step sees it.
     * @throws MappingError
     */
    async evaluateFor(at: StepOfRun, what: string, expression: string): Promise<JsonValue | undefined> {
      const context = await readContext(deps, at, [{ expression }]);
      return await evaluate(deps, what, expression, context);
    },
    /**
     * The outputs of a run, where the workflow maps them.
     * @throws MappingError
     */
    async resolveOutputs(runId: string, plan: RunPlan): Promise<JsonObject> {
      const mappings = plan.outputs ?? {};
      const needed = neededSteps(plan, Object.values(mappings));
      return (await resolve(deps, mappings, await readBindings(deps, runId, plan, needed))).values;
    },
  };
}

/** See {@link createInputResolver}. */
export type InputResolver = ReturnType<typeof createInputResolver>;

/** A step of a run, or one item of it. */
export interface StepOfRun {
  readonly runId: string;
  readonly plan: RunPlan;
  readonly step: PlanStep;
  readonly itemIndex: number;
}

/** What mappings of a step read: the run, of the steps that it may read those that they name, and its item. */
async function readContext(
  deps: InputResolverDeps,
  { runId, plan, step, itemIndex }: StepOfRun,
  mappings: readonly InputMapping[],
): Promise<RunBindings> {
  const [context, item] = await Promise.all([
    readBindings(deps, runId, plan, readBy(plan, step, mappings)),
    itemIndex < 0 ? undefined : readItem(deps.knex, runId, step.index, itemIndex),
  ]);
  return itemIndex < 0 ? context : { ...context, item: item ?? null, itemIndex };
}

/**
 * An item must not load what only the whole has read: its array, ten thousand times. An expression without the word
 * `steps` reads none.
 */
function readBy(plan: RunPlan, step: PlanStep, mappings: readonly InputMapping[]): number[] {
  const readable = [...step.dependencies, ...(step.reads ?? [])];
  if (mappings.some((mapping) => "expression" in mapping && mapping.expression.includes("steps")))
    return readable;
  const named = new Set(mappings.flatMap((mapping) => ("step" in mapping ? [mapping.step] : [])));
  return readable.filter((index) => named.has(plan.steps[index]?.id ?? ""));
}

async function readItem(knex: Knex, runId: string, stepIndex: number, itemIndex: number): Promise<JsonValue> {
  const row = await knex("step_items")
    .first(knex.raw("items -> ?::int AS item", [itemIndex % ITEMS_PER_CHUNK]))
    .where({ run_id: runId, step_index: stepIndex, chunk: Math.floor(itemIndex / ITEMS_PER_CHUNK) });
  if (!row) throw new MappingError("the item is gone");
  return row.item;
}

async function readBindings(
  deps: InputResolverDeps,
  runId: string,
  plan: RunPlan,
  stepIndices: readonly number[],
): Promise<RunBindings> {
  const { knex } = deps;
  const [run, rows] = await Promise.all([
    knex("workflow_runs")
      .first("id", "input", "workflow_name", "workflow_version", "trigger", "labels", "created_at")
      .where("id", runId),
    stepIndices.length === 0
      ? []
      : knex("step_runs")
          .select("step_index", "step_id", "status", "output", "output_artifact_id", "error")
          .where("run_id", runId)
          .where("item_index", -1)
          .whereIn("step_index", [...stepIndices]),
  ]);
  if (!run) throw new MappingError("the run is gone");
  const steps: RunBindings["steps"] = {};
  for (const row of rows) {
    const isLarge = row.output_artifact_id !== null;
    const output: JsonValue = isLarge
      ? await deps.readLargeOutput(row.output_artifact_id)
      : (row.output ?? null);
    steps[plan.steps[row.step_index]?.id ?? row.step_id] = { output, status: row.status, error: row.error };
  }
  return {
    input: run.input,
    steps,
    run: {
      id: run.id,
      workflow: run.workflow_name,
      version: run.workflow_version,
      trigger: run.trigger,
      labels: run.labels,
      createdAt: (run.created_at as Date).toISOString(),
    },
  };
}

async function resolve(
  deps: InputResolverDeps,
  mappings: Readonly<Record<string, InputMapping>>,
  context: RunBindings,
): Promise<ResolvedInputs> {
  const secrets = await readSecrets(deps, mappings);
  const values: JsonObject = {};
  const shown: JsonObject = {};
  for (const [name, mapping] of Object.entries(mappings)) {
    if ("secret" in mapping) {
      values[name] = secrets.get(mapping.secret)?.value ?? "";
      shown[name] = HIDDEN_TEXT;
      continue;
    }
    const value = await resolveOne(deps, name, mapping, context);
    if (value === undefined) continue;
    values[name] = value;
    shown[name] = value;
  }
  const used = [...secrets.values()];
  return {
    values,
    shown,
    secretValues: used.map(({ value }) => value),
    secretHosts: used.flatMap(({ hosts }) => (hosts ? [hosts] : [])),
  };
}

async function readSecrets(
  deps: InputResolverDeps,
  mappings: Readonly<Record<string, InputMapping>>,
): Promise<ReadonlyMap<string, BoundSecret>> {
  const names = Object.values(mappings).flatMap((mapping) => ("secret" in mapping ? [mapping.secret] : []));
  if (names.length === 0) return new Map();
  const secrets = await deps.readSecrets(names);
  const missing = names.filter((name) => !secrets.has(name));
  if (missing.length > 0) throw new MappingError(`secret ${missing.join(", ")} does not exist`);
  return secrets;
}

async function resolveOne(
  deps: InputResolverDeps,
  name: string,
  mapping: Exclude<InputMapping, { secret: string }>,
  context: RunBindings,
): Promise<JsonValue | undefined> {
  if ("value" in mapping) return mapping.value;
  if ("input" in mapping) return resolvePointer(context.input, mapping.input);
  if ("step" in mapping) return resolvePointer(context.steps[mapping.step]?.output ?? null, mapping.output);
  return await evaluate(deps, `the expression of "${name}"`, mapping.expression, context);
}

async function evaluate(
  deps: InputResolverDeps,
  what: string,
  expression: string,
  context: RunBindings,
): Promise<JsonValue | undefined> {
  try {
    return await deps.evaluator.evaluate(expression, { ...context });
  } catch (error) {
    if (!(error instanceof EvaluationError) || error instanceof EvaluationBusyError) throw error;
    throw new MappingError(`${what} failed: ${error.message}`, { cause: error });
  }
}

function describeType(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  return value === null ? "null" : `a ${typeof value}`;
}

const EMPTY: RunBindings = { input: null, steps: {}, run: {} };

/** An expression may read any step; plain mappings name theirs. */
function neededSteps(plan: RunPlan, mappings: readonly InputMapping[]): number[] {
  if (mappings.some((mapping) => "expression" in mapping)) return plan.steps.map((step) => step.index);
  const named = new Set(mappings.flatMap((mapping) => ("step" in mapping ? [mapping.step] : [])));
  return plan.steps.filter((step) => named.has(step.id)).map((step) => step.index);
}

/** JSONata's own notion of truth ($boolean): empty strings, arrays and objects, zero and null are false. */
export function isTruthy(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => isTruthy(item));
  if (typeof value === "object") return Object.keys(value).length > 0;
  return Boolean(value);
}
