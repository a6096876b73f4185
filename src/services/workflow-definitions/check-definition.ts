import { compilePlan, stepsReadBy } from "../../core/compile-plan.js";
import { findCycles } from "../../core/graph.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import type { InputMapping, RunPlan } from "../../core/plan.js";
import { buildWorkflowGraph, type WorkflowGraph } from "../../core/workflow-graph.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { ExecutorDefinition } from "../../executors/types.js";
import type { Db } from "../../models/repository.js";
import type { ExpressionFacts, SafeEvaluator } from "../evaluation-types.js";
import { findUnknownNames, type NameLookup } from "../name-lookup.js";
import { checkStepInputs } from "./check-mappings.js";
import { checkReferences } from "./check-references.js";
import { type DraftDefinition, parseDefinition } from "./parse-definition.js";
import { type ResolvedTargets, resolveTargets } from "./resolve-targets.js";
import { findIneffective, findUnsupported } from "./unsupported-features.js";

/** What it takes to judge a definition. */
export interface DefinitionCheckDeps {
  readonly knex: Db;
  readonly evaluator: SafeEvaluator;
  readonly executors: readonly ExecutorDefinition[];
  readonly secrets: NameLookup;
  /** The setting `MAX_STEPS`. */
  readonly maxSteps: number;
}

/** A definition, judged. Pointers are relative to it. */
export interface DefinitionCheck {
  readonly faults: readonly FieldFault[];
  readonly warnings: readonly FieldFault[];
  /** Of what could be read, even when there are faults. */
  readonly graph: WorkflowGraph;
  /** There exactly when there is no fault. */
  readonly compiled?: {
    readonly definition: JsonObject;
    readonly plan: RunPlan;
    readonly mcpVersionIds: readonly string[];
  };
}

/** Faults beyond this many are counted, not listed. */
const MAX_FAULTS = 1000;
/** Ids of a cycle beyond this many are counted, not listed. */
const MAX_PATH = 12;

/**
 * Judges a definition completely, all faults at once, in time linear in its size: one query for all components,
 * one for all secrets, expressions inspected in batches. Executes nothing.
 */
export async function checkDefinition(deps: DefinitionCheckDeps, value: unknown): Promise<DefinitionCheck> {
  const { draft, body, faults: shapeFaults } = parseDefinition(value, deps.maxSteps);
  const [targets, expressions, unknownSecrets, inputFaults] = await Promise.all([
    resolveTargets(deps, draft.steps),
    inspectExpressions(deps.evaluator, draft),
    findUnknownNames(deps.secrets, secretsOf(draft)),
    draft.inputs ? deps.evaluator.inspectSchema(draft.inputs as JsonValue) : [],
  ]);
  const references = checkReferences(draft, { expressions, unknownSecrets });
  const expressionSteps = new Map([...expressions].map(([text, facts]) => [text, facts.stepIds]));
  const faults = dedupe([
    ...shapeFaults,
    ...findUnsupported(draft),
    ...inputFaults.map(({ path, message }) => ({ path: `/inputs${path}`, message })),
    ...targets.faults,
    ...references.faults,
    ...checkInputs(draft, targets),
    ...describeCycles(draft, expressionSteps),
  ]);
  const check = {
    faults: capped(faults),
    warnings: capped([...findIneffective(value), ...targets.warnings, ...references.warnings]),
    graph: drawGraph(draft, targets, expressionSteps),
  };
  if (faults.length > 0 || !body) return check;
  const targetList = draft.steps.flatMap((step) => targets.targets.get(step.index)?.target ?? []);
  const plan = compilePlan(body, { targets: targetList, expressionSteps });
  const mcpVersionIds = targetList.flatMap((target) => (target.kind === "mcp" ? [target.mcpVersionId] : []));
  return {
    ...check,
    compiled: { definition: value as JsonObject, plan, mcpVersionIds: [...new Set(mcpVersionIds)] },
  };
}

function mappingsOf(draft: DraftDefinition): InputMapping[] {
  return [...draft.steps.flatMap((step) => Object.values(step.inputs)), ...Object.values(draft.outputs)];
}

function secretsOf(draft: DraftDefinition): string[] {
  return [...new Set(mappingsOf(draft).flatMap((mapping) => ("secret" in mapping ? [mapping.secret] : [])))];
}

async function inspectExpressions(
  evaluator: SafeEvaluator,
  draft: DraftDefinition,
): Promise<Map<string, ExpressionFacts>> {
  const texts = new Set<string>();
  for (const mapping of mappingsOf(draft)) if ("expression" in mapping) texts.add(mapping.expression);
  for (const step of draft.steps) if (step.when !== undefined) texts.add(step.when);
  const list = [...texts];
  const facts = await evaluator.inspectExpressions(list);
  return new Map(list.map((text, at) => [text, facts[at] ?? { stepIds: [] }]));
}

function checkInputs(draft: DraftDefinition, { targets }: ResolvedTargets): FieldFault[] {
  return draft.steps.flatMap((step) => {
    const schema = targets.get(step.index)?.inputSchema;
    return schema ? checkStepInputs(step, schema) : [];
  });
}

/** A fault for each step on a cycle, with the cycle seen from that step. */
function describeCycles(
  draft: DraftDefinition,
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): FieldFault[] {
  const placeById = new Map<string, number>();
  draft.steps.forEach((step, place) => {
    if (step.id !== undefined && !placeById.has(step.id)) placeById.set(step.id, place);
  });
  const dependencies = draft.steps.map((step, place) =>
    [...stepsReadBy(step, expressionSteps)]
      .flatMap((id) => placeById.get(id) ?? [])
      // a step that waits for itself is a fault of its own
      .filter((other) => other !== place),
  );
  const described = new Set<number>();
  return findCycles(dependencies).flatMap((cycle) =>
    cycle.flatMap((place, at) => {
      if (described.has(place) || described.size > MAX_FAULTS) return [];
      described.add(place);
      const ids = [...cycle.slice(at), ...cycle.slice(0, at), place].map(
        (one) => draft.steps[one]?.id ?? "?",
      );
      const message = `waits for itself in a cycle: ${shorten(ids).join(" → ")}`;
      return [{ path: `/steps/${place}`, message }];
    }),
  );
}

function shorten(ids: readonly string[]): string[] {
  if (ids.length <= MAX_PATH) return [...ids];
  const left = ids.length - MAX_PATH;
  return [...ids.slice(0, MAX_PATH - 2), `(${left} more)`, ...ids.slice(-2)];
}

function drawGraph(
  draft: DraftDefinition,
  { targets }: ResolvedTargets,
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): WorkflowGraph {
  return buildWorkflowGraph(
    draft.steps.flatMap((step) => {
      if (step.id === undefined) return [];
      const target = targets.get(step.index)?.target;
      return [
        {
          id: step.id,
          label: step.name ?? step.id,
          uses: target?.kind === "mcp" ? `mcp:${target.name}@${target.version}` : (step.uses ?? ""),
          ...(target?.kind === "mcp" ? { mcpType: target.mcpType } : {}),
          when: step.when,
          runAfter: step.runAfter,
          dependencies: [...stepsReadBy(step, expressionSteps)],
        },
      ];
    }),
  );
}

function dedupe(faults: readonly FieldFault[]): FieldFault[] {
  return [...new Map(faults.map((fault) => [`${fault.path} ${fault.message}`, fault])).values()];
}

function capped(faults: readonly FieldFault[]): FieldFault[] {
  if (faults.length <= MAX_FAULTS) return [...faults];
  const rest = faults.length - MAX_FAULTS;
  return [...faults.slice(0, MAX_FAULTS), { path: "", message: `and ${rest} more faults` }];
}
