import type { Knex } from "knex";
import type {
  GraphEdge,
  Lineage,
  LineageNode,
  LineageQuery,
  LineageType,
} from "../../contracts/api/graphs.js";
import { isUuid } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";
import { describeChanges } from "./describe-changes.js";
import { layOutGraph } from "./lay-out-graph.js";
import {
  getSubject,
  readCallers,
  readContractTools,
  readLastRuns,
  readPrompts,
  readPromptTools,
  readSiblings,
  readTriggers,
  readUsed,
  readWorkflows,
  type RunRow,
  type SiblingRow,
  type SubjectRow,
  type WorkflowRow,
} from "./lineage-queries.js";

const MOST = {
  siblingsEach: 5,
  workflows: 200,
  callers: 200,
  triggers: 200,
  prompts: 100,
  tools: 100,
  runs: 20,
};

/**
 * What a version of a component comes from, uses and is used by. What is used stands before what uses it. A run adds
 * its states to the workflow that it is of.
 * @throws AppError NOT_FOUND for an unknown version or run, and for a run that does not use the version.
 */
export async function drawLineage(
  knex: Knex,
  versionId: string,
  query: Omit<LineageQuery, "format">,
): Promise<Lineage> {
  const subject = await getSubject(knex, versionId);
  const sketch = new Sketch();
  const [siblings, workflows, used, prompts, tools, contract] = await Promise.all([
    readSiblings(knex, subject, MOST.siblingsEach),
    readWorkflows(knex, subject.id, MOST.workflows + 1),
    readUsed(knex, subject),
    readPrompts(knex, subject, MOST.prompts + 1),
    readPromptTools(knex, subject.tools ?? []),
    readContractTools(knex, subject),
  ]);
  const direct = sketch.limit(workflows, MOST.workflows, "workflows");
  drawSiblings(sketch, subject, siblings);
  const self = nodeId("mcp_version", subject.id);
  for (const { type, id, name, detail } of used) {
    const node = sketch.add(type, id ?? name, name, detail ?? "", id === null ? undefined : id);
    sketch.join(node, self, "", type);
  }
  for (const { id, name, version, mcp_type: mcpType } of tools) {
    const node = sketch.add("mcp_version", id, `${name}@${version}`, mcpType, id);
    sketch.join(node, self, "tool", "tool");
  }
  for (const { name, description } of sketch.limit(contract, MOST.tools, "tools")) {
    sketch.join(sketch.add("tool", name, name, description ?? ""), self, "", "tool");
  }
  for (const { id, name, version } of sketch.limit(prompts, MOST.prompts, "prompts")) {
    sketch.join(
      self,
      sketch.add("mcp_version", id, `${name}@${version}`, "llm_prompt", id),
      "is a tool of",
      "uses",
    );
  }
  for (const workflow of direct) drawWorkflow(sketch, self, workflow);
  await drawSurroundings(knex, sketch, direct, query.run);
  const { nodes, edges } = sketch;
  const places = layOutGraph({ nodes, edges }, query.direction);
  return {
    mcpVersion: { id: subject.id, name: subject.name, version: subject.version },
    nodes: nodes.flatMap((node, index) => {
      const place = places[index];
      return place ? [{ ...node, ...place }] : [];
    }),
    edges,
    omitted: sketch.omitted,
  };
}

function drawSiblings(sketch: Sketch, subject: SubjectRow, siblings: readonly SiblingRow[]): void {
  const at = siblings.findIndex((row) => row.id === subject.id);
  const first = Math.max(0, at - MOST.siblingsEach);
  const shown = siblings.slice(first, at + MOST.siblingsEach + 1);
  if (first > 0) sketch.omitted.push(`versions earlier than ${shown[0]?.version ?? ""}`);
  if (siblings.length > at + MOST.siblingsEach + 1)
    sketch.omitted.push(`versions later than ${shown.at(-1)?.version ?? ""}`);
  shown.forEach((row, index) => {
    const place = row.id === subject.id ? "this version" : first + index < at ? "earlier" : "later";
    const detail = row.deprecated_at ? `${place}, deprecated` : place;
    const node = sketch.add("mcp_version", row.id, `${subject.name}@${row.version}`, detail, row.id, {
      isSubject: row.id === subject.id,
      isDeprecated: row.deprecated_at !== null,
      createdAt: row.created_at.toISOString(),
      mcpType: subject.mcp_type,
    });
    const before = shown[index - 1];
    if (!before) return;
    const { severity, changes } = describeChanges(
      toCompared(before),
      toCompared(row),
      row.changed_settings ?? [],
    );
    const label =
      changes.length === 0 ? "no change" : severity === "none" ? "changed" : `${severity} changes`;
    sketch.join(nodeId("mcp_version", before.id), node, label, "version", { severity, changes });
  });
}

function toCompared(row: SiblingRow) {
  return {
    inputSchema: row.input_schema,
    outputSchema: row.output_schema,
    externalDbConfigs: row.external_db_configs,
    secrets: row.secrets,
  };
}

function drawWorkflow(sketch: Sketch, self: string, row: WorkflowRow): void {
  const isCurrent = row.versions.includes(row.published_version ?? row.latest_version);
  const versions = `version ${row.versions.slice(-5).join(", ")}`;
  const detail = isCurrent ? versions : `${versions}, no longer`;
  const node = sketch.add("workflow_definition", row.id, row.name, detail, row.id, {
    versions: row.versions,
    isCurrent,
    steps: row.step_ids ?? [],
  });
  sketch.join(self, node, (row.step_ids ?? []).slice(0, 3).join(", "), "uses");
}

/** What is around the workflows: what starts them, which others have them as steps, and how they have run lately. */
async function drawSurroundings(
  knex: Knex,
  sketch: Sketch,
  direct: readonly WorkflowRow[],
  runId: string | undefined,
): Promise<void> {
  const ids = direct.map((workflow) => workflow.id);
  const versionIds = direct.flatMap((workflow) => workflow.version_ids);
  const [callers, runs, asked] = await Promise.all([
    readCallers(knex, ids, MOST.callers + 1),
    readLastRuns(knex, ids, versionIds, MOST.runs),
    runId === undefined ? undefined : getRun(knex, runId, versionIds),
  ]);
  const shownCallers = sketch.limit(callers, MOST.callers, "workflows that have these as steps");
  for (const { id, name } of shownCallers) {
    sketch.add("workflow_definition", id, name, "through another workflow", id);
  }
  for (const { id, used_id: usedId } of shownCallers) {
    if (sketch.has("workflow_definition", usedId)) {
      sketch.join(
        nodeId("workflow_definition", usedId),
        nodeId("workflow_definition", id),
        "is a step of",
        "uses",
      );
    }
  }
  const all = [...new Set([...ids, ...shownCallers.map((caller) => caller.id)])];
  const triggers = await readTriggers(knex, all, MOST.triggers + 1);
  for (const row of sketch.limit(triggers, MOST.triggers, "schedules and webhooks")) {
    const detail = [row.timing ?? "", row.is_enabled ? "" : "off"].filter(Boolean).join(", ");
    const node = sketch.add(
      row.type,
      row.id,
      row.name,
      detail,
      row.type === "schedule" ? row.id : undefined,
      {
        isEnabled: row.is_enabled,
      },
    );
    sketch.join(nodeId("workflow_definition", row.workflow_id), node, "is started by", "trigger");
  }
  const others = asked ? [asked, ...runs.filter((run) => run.id !== asked.id)] : runs;
  for (const run of others) drawRun(sketch, run);
  if (asked) sketch.setStatus(nodeId("workflow_definition", asked.workflow_id), asked.status);
}

async function getRun(knex: Knex, id: string, versionIds: readonly string[]): Promise<RunRow> {
  const row = isUuid(id)
    ? ((await knex("workflow_runs")
        .first("id", "workflow_id", "workflow_version", "status", "created_at")
        .where("id", id)
        .whereIn("workflow_version_id", [...versionIds])) as RunRow | undefined)
    : undefined;
  if (!row) throw notFound("Run that uses this version");
  return row;
}

function drawRun(sketch: Sketch, run: RunRow): void {
  const at = run.created_at.toISOString();
  const node = sketch.add(
    "workflow_run",
    run.id,
    `Run ${at.slice(0, 16).replace("T", " ")}`,
    run.status,
    run.id,
    {
      runStatus: run.status,
      createdAt: at,
      workflowVersion: run.workflow_version,
    },
  );
  sketch.join(nodeId("workflow_definition", run.workflow_id), node, "", "run");
}

function nodeId(type: LineageType, key: string): string {
  return `${type}:${key}`;
}

type Drawn = Pick<LineageNode, "id" | "type" | "data">;

/** A lineage in the making: nodes once each, edges between nodes that are there. */
class Sketch {
  readonly #drawn = new Map<string, Drawn>();
  readonly edges: GraphEdge[] = [];
  readonly omitted: string[] = [];

  get nodes(): Drawn[] {
    return [...this.#drawn.values()];
  }

  has(type: LineageType, key: string): boolean {
    return this.#drawn.has(nodeId(type, key));
  }

  /** Answers the node's id; what is there already stays as it is. */
  add(
    type: LineageType,
    key: string,
    label: string,
    detail: string,
    entityId?: string,
    more: Readonly<Record<string, unknown>> = {},
  ): string {
    const id = nodeId(type, key);
    const entity = entityId === undefined ? {} : { entityType: type, entityId };
    if (!this.#drawn.has(id)) this.#drawn.set(id, { id, type, data: { label, detail, ...entity, ...more } });
    return id;
  }

  join(
    source: string,
    target: string,
    label: string,
    kind: string,
    more: Partial<Omit<GraphEdge["data"], "kind">> = {},
  ): void {
    this.edges.push({ id: `${source}->${target}`, source, target, label, data: { kind, ...more } });
  }

  setStatus(id: string, status: string): void {
    const node = this.#drawn.get(id);
    if (node) this.#drawn.set(id, { ...node, data: { ...node.data, status } });
  }

  /** The first rows; that there are more is said in the answer. */
  limit<Row>(rows: readonly Row[], most: number, what: string): readonly Row[] {
    if (rows.length > most) this.omitted.push(`${what}: the first ${most} are shown`);
    return rows.slice(0, most);
  }
}
