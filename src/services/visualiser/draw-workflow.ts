import type { Knex } from "knex";
import type {
  GraphDirection,
  LaidOutWorkflow,
  StepNode,
  WorkflowGraphQuery,
} from "../../contracts/api/graphs.js";
import type { JsonObject } from "../../core/json.js";
import type { RunPlan } from "../../core/plan.js";
import { type StateLetter, statusOf } from "../../core/step-states.js";
import { notFound } from "../../errors/app-error.js";
import type { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import { WorkflowVersionModel } from "../../models/workflow-version-model.js";
import { toDurationMs, toInstant } from "../runs/present-run.js";
import { STEP_LISTS } from "../workflow-definitions/parse-definition.js";
import { getVersionByNumber, getWorkflowByNameOrId } from "../workflow-definitions/workflow-queries.js";
import { drawPlan, phasesOf } from "./draw-plan.js";
import { layOutGraph, NODE_SIZE } from "./lay-out-graph.js";

type Graph = Pick<LaidOutWorkflow, "nodes" | "edges">;

const MOST_KEPT = 50;
const PHASE_GAP = 80;

/** Draws workflows. Versions never change, so the drawings of the last fifty are kept. */
export function createWorkflowDrawer(knex: Knex) {
  const kept = new Map<string, Graph>();

  function drawVersion(version: WorkflowVersionModel, direction: GraphDirection): Graph {
    const key = `${version.id} ${direction}`;
    const known = kept.get(key);
    kept.delete(key);
    const graph = known ?? drawPhases(version.plan, labelsOf(version.definition), direction);
    kept.set(key, graph);
    const [oldest] = kept.keys();
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
    return graph;
  }

  /** @throws AppError NOT_FOUND for an unknown workflow, version or run, and for a run of another workflow. */
  return async (nameOrId: string, query: Omit<WorkflowGraphQuery, "format">): Promise<LaidOutWorkflow> => {
    const workflow = await getWorkflowByNameOrId(knex, nameOrId);
    const run = query.run === undefined ? undefined : await getRun(knex, query.run, workflow.id);
    const version = run
      ? await getVersionById(knex, run.workflow_version_id)
      : await getVersionByNumber(knex, workflow.id, query.version ?? shownVersion(workflow));
    const graph = drawVersion(version, query.direction);
    const nodes = run ? await overlayStates(knex, run, version.plan, graph.nodes) : graph.nodes;
    return {
      workflow: { id: workflow.id, name: workflow.name, version: version.version },
      nodes,
      edges: graph.edges,
    };
  };
}

function shownVersion(workflow: WorkflowDefinitionModel): number {
  return workflow.publishedVersion ?? workflow.latestVersion;
}

/** The names that an author gave the steps of a definition, by step id. */
function labelsOf(definition: JsonObject): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { member } of STEP_LISTS) {
    const steps = (definition[member] ?? []) as unknown as { id: string; name?: string }[];
    for (const { id, name } of steps) if (name !== undefined) labels.set(id, name);
  }
  return labels;
}

/** Each phase is laid out by itself, the later ones below (or beside) the ones before. */
function drawPhases(plan: RunPlan, labels: ReadonlyMap<string, string>, direction: GraphDirection): Graph {
  const { nodes, edges } = drawPlan(plan, labels);
  let offset = 0;
  const placed = phasesOf(plan).flatMap(({ ids }): StepNode[] => {
    const members = nodes.filter((node) => ids.has(node.id));
    const inner = edges.filter(({ source, target }) => ids.has(source) && ids.has(target));
    const places = layOutGraph({ nodes: members, edges: inner }, direction);
    const axis = direction === "LR" ? "y" : "x";
    const size = direction === "LR" ? NODE_SIZE.height : NODE_SIZE.width;
    const result = members.flatMap((node, index): StepNode[] => {
      const place = places[index];
      if (!place) return [];
      return [{ ...node, ...place, position: { ...place.position, [axis]: place.position[axis] + offset } }];
    });
    const furthest = result.reduce((most, node) => Math.max(most, node.position[axis]), 0);
    offset = furthest + size + PHASE_GAP;
    return result;
  });
  return { nodes: placed, edges };
}

interface RunRow {
  readonly id: string;
  readonly workflow_version_id: string;
  readonly step_states: string;
}

async function getRun(knex: Knex, id: string, workflowId: string): Promise<RunRow> {
  const row = (await knex("workflow_runs")
    .first("id", "workflow_id", "workflow_version_id", "step_states")
    .where({ id, workflow_id: workflowId })) as RunRow | undefined;
  if (!row) throw notFound("Run of this workflow");
  return row;
}

async function getVersionById(knex: Knex, id: string): Promise<WorkflowVersionModel> {
  const row = await WorkflowVersionModel.query(knex).findById(id);
  if (!row) throw notFound("Workflow version");
  return row;
}

interface StateRow {
  readonly step_index: number;
  readonly attempt: number;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly error: StepNode["data"]["error"];
  readonly items_total: number | null;
  readonly items_ended: number | null;
  readonly items_failed: number | null;
}

async function overlayStates(
  knex: Knex,
  run: RunRow,
  plan: RunPlan,
  nodes: readonly StepNode[],
): Promise<StepNode[]> {
  const rows = (await knex("step_runs")
    .select("step_index", "attempt", "started_at", "finished_at", "error")
    .select("items_total", "items_ended", "items_failed")
    .where({ run_id: run.id, item_index: -1 })) as StateRow[];
  const rowOf = new Map(rows.map((row) => [row.step_index, row]));
  const indexOf = new Map(plan.steps.map((step) => [step.id, step.index]));
  return nodes.map((node) => {
    const index = indexOf.get(node.id) ?? -1;
    const letter = run.step_states[index] as StateLetter | undefined;
    if (letter === undefined) return node;
    return { ...node, data: { ...node.data, status: statusOf(letter), ...presentState(rowOf.get(index)) } };
  });
}

function presentState(row: StateRow | undefined): Partial<StepNode["data"]> {
  if (!row) return { attempt: null, startedAt: null, finishedAt: null, durationMs: null, error: null };
  const { items_total: total, items_ended: ended, items_failed: failed } = row;
  return {
    attempt: row.attempt,
    startedAt: toInstant(row.started_at),
    finishedAt: toInstant(row.finished_at),
    durationMs: toDurationMs(row.started_at, row.finished_at),
    error: row.error ?? null,
    ...(total === null ? {} : { items: { total, ended: ended ?? 0, failed: failed ?? 0 } }),
  };
}
