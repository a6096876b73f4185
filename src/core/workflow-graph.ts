import { type Phase, phaseOf, type RunPlan, type StepTarget } from "./plan.js";

/** One step as a box of the graph; `type` says what it runs. */
export interface GraphNode {
  readonly id: string;
  readonly type: "mcp" | "builtin" | "workflow";
  readonly data: {
    readonly label: string;
    readonly uses: string;
    /** The component's type, when it is known. */
    readonly mcpType?: string;
    readonly when?: string;
    readonly runAfter: string;
    /** Which of the definition's lists it stands in. */
    readonly phase: Phase;
  };
}

/** `target` waits for `source`; both are of one phase. */
export interface GraphEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
}

/** The dependency graph of a workflow. */
export interface WorkflowGraph {
  readonly nodes: GraphNode[];
  readonly edges: GraphEdge[];
}

/** What a graph is drawn from: a step of a plan, or of a definition that may still have faults. */
export interface GraphStep {
  readonly id: string;
  readonly label?: string;
  readonly uses: string;
  readonly mcpType?: string;
  readonly when?: string | undefined;
  readonly runAfter: string;
  readonly phase: Phase;
  /** Ids of the steps that it waits for. Unknown ones, and those of other phases, are left out. */
  readonly dependencies: readonly string[];
}

/** Draws steps in their order; of steps with one id only the first is drawn. */
export function buildWorkflowGraph(steps: readonly GraphStep[]): WorkflowGraph {
  const stepById = new Map<string, GraphStep>();
  for (const step of steps) if (!stepById.has(step.id)) stepById.set(step.id, step);
  const drawn = [...stepById.values()];
  return {
    nodes: drawn.map((step) => ({
      id: step.id,
      type: nodeType(step.uses),
      data: {
        label: step.label ?? step.id,
        uses: step.uses,
        runAfter: step.runAfter,
        phase: step.phase,
        ...(step.mcpType === undefined ? {} : { mcpType: step.mcpType }),
        ...(step.when === undefined ? {} : { when: step.when }),
      },
    })),
    edges: drawn.flatMap((step) =>
      [...new Set(step.dependencies)]
        .filter((source) => stepById.get(source)?.phase === step.phase)
        .map((source) => ({ id: `${source}->${step.id}`, source, target: step.id })),
    ),
  };
}

/** The graph of a compiled plan: every version is pinned. `labels` are the steps' names, by step id. */
export function buildPlanGraph(
  plan: RunPlan,
  labels: ReadonlyMap<string, string> = new Map(),
): WorkflowGraph {
  return buildWorkflowGraph(
    plan.steps.map((step) => ({
      id: step.id,
      label: labels.get(step.id) ?? step.id,
      uses: usesOf(step.target),
      ...(step.target.kind === "mcp" ? { mcpType: step.target.mcpType } : {}),
      when: step.when,
      runAfter: step.runAfter,
      phase: phaseOf(step),
      dependencies: step.dependencies.flatMap((index) => plan.steps[index]?.id ?? []),
    })),
  );
}

/** A target as a definition writes it, with its version pinned. */
export function usesOf(target: StepTarget): string {
  if (target.kind === "builtin") return `builtin:${target.name}`;
  return `${target.kind}:${target.name}@${target.version}`;
}

function nodeType(uses: string): GraphNode["type"] {
  if (uses.startsWith("builtin:")) return "builtin";
  return uses.startsWith("workflow:") ? "workflow" : "mcp";
}
