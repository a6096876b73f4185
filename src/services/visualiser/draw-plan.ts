import type { GraphEdge, StepNode } from "../../contracts/api/graphs.js";
import { type InputMapping, PHASES, phaseOf, type PlanStep, type RunPlan } from "../../core/plan.js";
import { type GraphNode, buildPlanGraph } from "../../core/workflow-graph.js";

/** A step before it has its place. */
export type DrawnStep = Pick<StepNode, "id" | "type" | "data">;

/** The steps of a version and what goes between them, in the order of the definition. */
export interface DrawnPlan {
  readonly nodes: DrawnStep[];
  readonly edges: GraphEdge[];
}

const MOST_NAMED = 3;

/** Draws a compiled version. `labels` are the names that its author gave the steps, by step id. */
export function drawPlan(plan: RunPlan, labels: ReadonlyMap<string, string>): DrawnPlan {
  const { nodes } = buildPlanGraph(plan, labels);
  const drawn = nodes.map((node, index) => drawStep(node, plan.steps[index]));
  return { nodes: drawn, edges: plan.steps.flatMap((step) => drawEdges(plan, step)) };
}

function drawStep(node: GraphNode, step: PlanStep | undefined): DrawnStep {
  return {
    id: node.id,
    type: node.type,
    data: { ...node.data, ...(step?.forEach ? { isForEach: true } : {}), ...entityOf(step) },
  };
}

function entityOf(step: PlanStep | undefined) {
  if (step?.target.kind === "mcp") return { entityType: "mcp_version", entityId: step.target.mcpVersionId };
  if (step?.target.kind === "workflow") {
    return { entityType: "workflow_definition", entityId: step.target.workflowId };
  }
  return {};
}

/** The edges that end in a step: what it waits for, then what it reads of earlier phases. */
function drawEdges(plan: RunPlan, step: PlanStep): GraphEdge[] {
  const draw = (kind: "order" | "read") => (index: number) => {
    const source = plan.steps[index]?.id;
    if (source === undefined) return [];
    const label = labelOf(step, source);
    const id = `${source}->${step.id}`;
    return [
      { id, source, target: step.id, label, data: { kind: label && kind === "order" ? "data" : kind } },
    ];
  };
  const waits = new Set(step.dependencies);
  return [
    ...[...waits].flatMap(draw("order")),
    ...[...new Set(step.reads ?? [])].filter((index) => !waits.has(index)).flatMap(draw("read")),
  ];
}

/** What a step takes of another: `rows ← /rows`. */
function labelOf(step: PlanStep, source: string): string {
  const named = Object.entries(step.inputs).flatMap(([name, mapping]) => {
    const read = readOf(mapping, source);
    return read === undefined ? [] : [`${name} ← ${read}`];
  });
  const each = step.forEach && readOf(step.forEach, source);
  const all = each === undefined ? named : [`each of ${each}`, ...named];
  const more = all.length - MOST_NAMED;
  return all.slice(0, MOST_NAMED).join(", ") + (more > 0 ? `, ${more} more` : "");
}

function readOf(mapping: InputMapping, source: string): string | undefined {
  if ("step" in mapping) return mapping.step === source ? mapping.output || "output" : undefined;
  if (!("expression" in mapping)) return undefined;
  return namesStep(mapping.expression, source) ? "expression" : undefined;
}

/** Whether an expression speaks of a step; step ids are safe within a pattern, but for what `\b` would split. */
function namesStep(expression: string, id: string): boolean {
  return new RegExp(`steps\\s*\\.\\s*\`?${id}(?![a-z0-9_-])`).test(expression);
}

/** The phases of a plan that have steps, in the order in which they run. */
export function phasesOf(plan: RunPlan): { readonly phase: string; readonly ids: ReadonlySet<string> }[] {
  return PHASES.map((phase) => ({
    phase,
    ids: new Set(plan.steps.filter((step) => phaseOf(step) === phase).map((step) => step.id)),
  })).filter(({ ids }) => ids.size > 0);
}
