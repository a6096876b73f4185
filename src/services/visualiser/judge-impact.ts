import type { Knex } from "knex";
import type { Impact, ProposedSchemas } from "../../contracts/api/graphs.js";
import { findBrokenUses } from "../../core/impact.js";
import type { JsonObject } from "../../core/json.js";
import type { RunPlan } from "../../core/plan.js";
import type { ToolChange, ToolDiff } from "../../core/tool-diff.js";
import { invalidFields, notFound } from "../../errors/app-error.js";
import { diffSchemas, type VersionSchemas } from "./describe-changes.js";
import { getSubject, readPrompts, type SubjectRow } from "./lineage-queries.js";

const MOST_WORKFLOW_VERSIONS = 200;
const MOST_PROMPTS = 100;
const MOST_BREAKS_EACH = 100;

interface Side extends VersionSchemas {
  readonly id: string | null;
  readonly name: string;
  readonly version: string | null;
}

/**
 * What would break if another stored version took the place of this one.
 * @throws AppError NOT_FOUND; INVALID_FIELDS when `against` is no version of the same component.
 */
export async function judgeAgainstVersion(knex: Knex, versionId: string, against?: string): Promise<Impact> {
  const subject = await getSubject(knex, versionId);
  return await judge(knex, subject, await readReplacement(knex, subject, against));
}

/** What would break if the version had other schemas. @throws AppError NOT_FOUND */
export async function judgeAgainstSchemas(
  knex: Knex,
  versionId: string,
  proposed: ProposedSchemas,
): Promise<Impact> {
  const subject = await getSubject(knex, versionId);
  const before = await readSchemas(knex, subject.id);
  const { inputSchema, outputSchema } = proposed;
  return await judge(knex, subject, {
    id: null,
    name: subject.name,
    version: null,
    inputSchema: inputSchema === undefined ? before.inputSchema : (inputSchema as JsonObject | null),
    outputSchema: outputSchema === undefined ? before.outputSchema : (outputSchema as JsonObject | null),
  });
}

async function judge(knex: Knex, subject: SubjectRow, to: Side): Promise<Impact> {
  const diff = diffSchemas(await readSchemas(knex, subject.id), to);
  const [users, prompts] = await Promise.all([
    readUsers(knex, subject.id),
    readPrompts(knex, subject, MOST_PROMPTS + 1),
  ]);
  const workflows = users
    .slice(0, MOST_WORKFLOW_VERSIONS)
    .map((user) => judgeUser(user, subject.id, diff.changes));
  const omitted = [
    ...(users.length > MOST_WORKFLOW_VERSIONS
      ? [`workflow versions: the first ${MOST_WORKFLOW_VERSIONS} are judged`]
      : []),
    ...(prompts.length > MOST_PROMPTS ? [`prompts: the first ${MOST_PROMPTS} are named`] : []),
  ];
  return {
    from: { id: subject.id, name: subject.name, version: subject.version },
    to: { id: to.id, name: to.name, version: to.version },
    severity: diff.kind,
    changes: diff.changes.map(({ kind, path, message }) => ({ kind, path, message })),
    breakCount: workflows.reduce((sum, workflow) => sum + workflow.breaks.length, 0),
    workflows,
    prompts: prompts.slice(0, MOST_PROMPTS).map((prompt) => ({ ...prompt, message: describePrompt(diff) })),
    omitted,
  };
}

function describePrompt(diff: ToolDiff): string {
  const isTouched = diff.changes.some((change) => change.path.startsWith("/inputSchema"));
  return isTouched
    ? "offers the version to a model, which would be shown another input schema"
    : "offers the version to a model; nothing changes for it";
}

interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly is_published: boolean;
  readonly plan: RunPlan;
}

/** The published version of each workflow, and its latest: what runs, and what will. */
async function readUsers(knex: Knex, versionId: string): Promise<UserRow[]> {
  return (await knex("workflow_version_mcps AS link")
    .join("workflow_versions AS used", "used.id", "link.workflow_version_id")
    .join("workflow_definitions AS workflow", "workflow.id", "used.workflow_definition_id")
    .select("workflow.id", "workflow.name", "used.version", "used.plan")
    .select(knex.raw("used.version IS NOT DISTINCT FROM workflow.published_version AS is_published"))
    .where("link.mcp_version_id", versionId)
    .whereRaw("used.version IN (workflow.published_version, workflow.latest_version)")
    .orderBy(["workflow.name", "used.version"])
    .limit(MOST_WORKFLOW_VERSIONS + 1)) as UserRow[];
}

function judgeUser(
  user: UserRow,
  versionId: string,
  changes: readonly ToolChange[],
): Impact["workflows"][number] {
  const steps = user.plan.steps.filter(
    ({ target }) => target.kind === "mcp" && target.mcpVersionId === versionId,
  );
  return {
    id: user.id,
    name: user.name,
    version: user.version,
    isPublished: user.is_published,
    steps: steps.map((step) => step.id),
    breaks: steps.flatMap((step) => findBrokenUses(user.plan, step, changes)).slice(0, MOST_BREAKS_EACH),
  };
}

interface SchemaRow {
  readonly id: string;
  readonly version: string;
  readonly input_schema: JsonObject | null;
  readonly output_schema: JsonObject | null;
}

async function readSchemas(knex: Knex, versionId: string): Promise<VersionSchemas> {
  const row = (await knex("mcp_versions")
    .first("id", "version", "input_schema", "output_schema")
    .where("id", versionId)) as SchemaRow | undefined;
  if (!row) throw notFound("MCP version");
  return { inputSchema: row.input_schema, outputSchema: row.output_schema };
}

async function readReplacement(knex: Knex, subject: SubjectRow, against: string | undefined): Promise<Side> {
  const query = knex("mcp_versions")
    .first("id", "version", "input_schema", "output_schema")
    .where("mcp_definition_id", subject.definition_id);
  if (against === undefined) void query.orderBy("version_order", "desc");
  else void query.where("id", against);
  const row = (await query) as SchemaRow | undefined;
  if (!row) {
    throw invalidFields([{ path: "/against", message: `is no version of ${subject.name}` }]);
  }
  return {
    id: row.id,
    name: subject.name,
    version: row.version,
    inputSchema: row.input_schema,
    outputSchema: row.output_schema,
  };
}
