import { compilePlan, stepsReadBy } from "../../core/compile-plan.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import type { InputMapping, RunPlan, StepTarget } from "../../core/plan.js";
import { buildWorkflowGraph, usesOf, type WorkflowGraph } from "../../core/workflow-graph.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { Db } from "../../models/repository.js";
import type { ExpressionFacts, SafeEvaluator } from "../evaluation-types.js";
import { findUnknownNames, type NameLookup } from "../name-lookup.js";
import { checkAppSteps } from "./check-app-steps.js";
import { checkBuiltinInputs, type UrlJudge } from "./check-builtin-inputs.js";
import { checkStepInputs } from "./check-mappings.js";
import { checkReferences } from "./check-references.js";
import { checkStepRules } from "./check-step-rules.js";
import { describeCycles } from "./describe-cycles.js";
import type { OwnWorkflow } from "./judge-nesting.js";
import { type DraftDefinition, parseDefinition } from "./parse-definition.js";
import { type ResolvedTargets, resolveTargets } from "./resolve-targets.js";
import { findIneffective } from "./unsupported-features.js";

/** What it takes to judge a definition. */
export interface DefinitionCheckDeps {
  readonly knex: Db;
  readonly evaluator: SafeEvaluator;
  readonly secrets: NameLookup;
  /** Absent: no external database is known. */
  readonly externalDbs?: NameLookup | undefined;
  /** Judges the URLs that are constants. */
  readonly outgoing: UrlJudge;
  /** The setting `MAX_STEPS`. */
  readonly maxSteps: number;
}

/** A definition without a fault, and what it was compiled to. */
export interface CompiledDefinition {
  readonly definition: JsonObject;
  readonly plan: RunPlan;
  readonly mcpVersionIds: readonly string[];
  /** The versions of other workflows that it has as steps. */
  readonly usedWorkflows: readonly { readonly workflowId: string; readonly versionId: string }[];
}

/** A definition, judged. Pointers are relative to it. */
export interface DefinitionCheck {
  readonly faults: readonly FieldFault[];
  readonly warnings: readonly FieldFault[];
  /** Of what could be read, even when there are faults. */
  readonly graph: WorkflowGraph;
  /** There exactly when there is no fault. */
  readonly compiled?: CompiledDefinition;
}

/** Faults beyond this many are counted, not listed. */
const MAX_FAULTS = 1000;

/**
 * Judges a definition completely, all faults at once, in time linear in its size: one query for all components,
 * one for all secrets, two for all workflows, expressions inspected in batches. Executes nothing. Whether it runs
 * itself through other workflows can be told only of an `own` one.
 */
export async function checkDefinition(
  deps: DefinitionCheckDeps,
  value: unknown,
  own?: OwnWorkflow,
): Promise<DefinitionCheck> {
  const { draft, body, faults: shapeFaults } = parseDefinition(value, deps.maxSteps);
  const resolving = resolveTargets(deps, draft.steps, own);
  const [targets, expressions, unknownSecrets, inputFaults, builtinFaults] = await Promise.all([
    resolving,
    inspectExpressions(deps.evaluator, draft),
    findUnknownNames(deps.secrets, secretsOf(draft)),
    draft.inputs ? deps.evaluator.inspectSchema(draft.inputs as JsonValue) : [],
    resolving.then(async (resolved) => await checkBuiltinInputs(deps, draft.steps, resolved)),
  ]);
  const references = checkReferences(draft, { expressions, unknownSecrets });
  const rules = checkStepRules(draft.steps);
  const expressionSteps = new Map([...expressions].map(([text, facts]) => [text, facts.stepIds]));
  const faults = dedupe([
    ...shapeFaults,
    ...inputFaults.map(({ path, message }) => ({ path: `/inputs${path}`, message })),
    ...targets.faults,
    ...rules.faults,
    ...checkAppSteps(draft.steps, targets.targets),
    ...references.faults,
    ...checkInputs(draft, targets),
    ...builtinFaults,
    ...describeCycles(draft.steps, expressionSteps),
  ]);
  const check = {
    faults: capped(faults),
    warnings: capped([
      ...findIneffective(value),
      ...targets.warnings,
      ...rules.warnings,
      ...references.warnings,
    ]),
    graph: drawGraph(draft, targets, expressionSteps),
  };
  if (faults.length > 0 || !body) return check;
  const targetList = draft.steps.flatMap((step) => targets.targets.get(step.index)?.target ?? []);
  const plan = compilePlan(body, { targets: targetList, expressionSteps });
  return { ...check, compiled: { definition: value as JsonObject, plan, ...listUsed(targetList) } };
}

/** What a plan's targets use, each once. */
function listUsed(targets: readonly StepTarget[]) {
  const mcpVersionIds = new Set<string>();
  const workflowByVersion = new Map<string, string>();
  for (const target of targets) {
    if (target.kind === "mcp") mcpVersionIds.add(target.mcpVersionId);
    if (target.kind === "workflow") workflowByVersion.set(target.versionId, target.workflowId);
  }
  return {
    mcpVersionIds: [...mcpVersionIds],
    usedWorkflows: [...workflowByVersion].map(([versionId, workflowId]) => ({ workflowId, versionId })),
  };
}

function mappingsOf(draft: DraftDefinition): InputMapping[] {
  return [
    ...draft.steps.flatMap((step) => [
      ...Object.values(step.inputs),
      ...(step.forEach === undefined ? [] : [step.forEach]),
    ]),
    ...Object.values(draft.outputs),
  ];
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
  for (const { when, cache } of draft.steps) {
    if (when !== undefined) texts.add(when);
    if (cache?.key !== undefined) texts.add(cache.key);
  }
  for (const { text } of draft.runKeys) texts.add(text);
  const list = [...texts];
  const facts = await evaluator.inspectExpressions(list);
  return new Map(list.map((text, at) => [text, facts[at] ?? { stepIds: [], rootNames: [] }]));
}

function checkInputs(draft: DraftDefinition, { targets }: ResolvedTargets): FieldFault[] {
  return draft.steps.flatMap((step) => {
    const resolved = targets.get(step.index);
    return resolved ? checkStepInputs(step, resolved) : [];
  });
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
          uses: target ? usesOf(target) : (step.uses ?? ""),
          ...(target?.kind === "mcp" ? { mcpType: target.mcpType } : {}),
          when: step.when,
          runAfter: step.runAfter,
          phase: step.phase,
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
