import type { Knex } from "knex";
import type { JsonObject } from "../../core/json.js";
import { parseMcpReference } from "../../core/mcp-reference.js";
import type { RunStatus } from "../../core/statuses.js";
import { isUuid } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";

/** The version that a lineage is of, without its code. */
export interface SubjectRow {
  readonly id: string;
  readonly definition_id: string;
  readonly name: string;
  readonly mcp_type: string;
  readonly version: string;
  readonly version_order: string;
  readonly external_db_configs: string[];
  readonly secrets: string[];
  readonly tools: string[] | null;
  readonly provider: string | null;
}

/** One version of the same component, with what differs from the one before it. */
export interface SiblingRow {
  readonly id: string;
  readonly version: string;
  readonly version_order: string;
  readonly deprecated_at: Date | null;
  readonly created_at: Date;
  readonly input_schema: JsonObject | null;
  readonly output_schema: JsonObject | null;
  readonly external_db_configs: string[];
  readonly secrets: string[];
  readonly changed_settings: string[] | null;
}

/** A workflow of which some version uses the component, by itself or through other workflows. */
export interface WorkflowRow {
  readonly id: string;
  readonly name: string;
  readonly published_version: number | null;
  readonly latest_version: number;
  /** Ascending. */
  readonly versions: number[];
  readonly version_ids: string[];
  readonly step_ids: string[] | null;
}

/** Something with an id and a name. */
export interface NamedRow {
  readonly id: string;
  readonly name: string;
}

/** @throws AppError NOT_FOUND */
export async function getSubject(knex: Knex, versionId: string): Promise<SubjectRow> {
  const row = isUuid(versionId)
    ? ((await knex("mcp_versions AS version")
        .join("mcp_definitions AS definition", "definition.id", "version.mcp_definition_id")
        .first(
          "version.id",
          "definition.id AS definition_id",
          "definition.name",
          "definition.mcp_type",
          "version.version",
          "version.version_order",
          "version.external_db_configs",
          "version.secrets",
          knex.raw("version.config -> 'tools' AS tools"),
          knex.raw("version.config ->> 'provider' AS provider"),
        )
        .where("version.id", versionId)) as SubjectRow | undefined)
    : undefined;
  if (!row) throw notFound("MCP version");
  return { ...row, tools: Array.isArray(row.tools) ? row.tools : null };
}

/** The nearest versions before and after, oldest first; one more on each side than `each`, if there are more. */
export async function readSiblings(knex: Knex, subject: SubjectRow, each: number): Promise<SiblingRow[]> {
  const { rows } = await knex.raw<{ rows: SiblingRow[] }>(
    `WITH near AS (
       (SELECT * FROM mcp_versions WHERE mcp_definition_id = :definition AND version_order <= :at
        ORDER BY version_order DESC LIMIT :before)
       UNION ALL
       (SELECT * FROM mcp_versions WHERE mcp_definition_id = :definition AND version_order > :at
        ORDER BY version_order LIMIT :after)
     ), paired AS (
       SELECT *, lag(config) OVER (ORDER BY version_order) AS config_before FROM near
     )
     SELECT id, version, version_order, deprecated_at, created_at, input_schema, output_schema,
       external_db_configs, secrets,
       (SELECT array_agg(name ORDER BY name) FROM (
          SELECT coalesce(was.key, now.key) AS name
          FROM jsonb_each(config_before) AS was FULL JOIN jsonb_each(config) AS now ON was.key = now.key
          WHERE was.value IS DISTINCT FROM now.value
        ) AS changed WHERE config_before IS NOT NULL) AS changed_settings
     FROM paired ORDER BY version_order`,
    { definition: subject.definition_id, at: subject.version_order, before: each + 2, after: each + 1 },
  );
  return rows;
}

/** Workflows with a version that runs the component itself, by name. */
export async function readWorkflows(knex: Knex, versionId: string, most: number): Promise<WorkflowRow[]> {
  const { rows } = await knex.raw<{ rows: WorkflowRow[] }>(
    `WITH users AS (
       SELECT used.workflow_definition_id AS id, array_agg(used.version ORDER BY used.version) AS versions,
         array_agg(used.id ORDER BY used.version) AS version_ids
       FROM workflow_version_mcps AS link
       JOIN workflow_versions AS used ON used.id = link.workflow_version_id
       WHERE link.mcp_version_id = :versionId AND used.workflow_definition_id IS NOT NULL
       GROUP BY 1
     )
     SELECT workflow.id, workflow.name, workflow.published_version, workflow.latest_version,
       users.versions, users.version_ids,
       (SELECT array_agg(step ->> 'id')
        FROM workflow_versions AS newest
        CROSS JOIN LATERAL jsonb_array_elements(newest.plan -> 'steps') AS step
        WHERE newest.id = users.version_ids[cardinality(users.version_ids)]
          AND step #>> '{target,mcpVersionId}' = :versionText) AS step_ids
     FROM users JOIN workflow_definitions AS workflow ON workflow.id = users.id
     ORDER BY workflow.name LIMIT :most`,
    { versionId, versionText: versionId, most },
  );
  return rows;
}

/** Workflows that have others as steps, from some on: which uses which, nearest first. */
export async function readCallers(
  knex: Knex,
  workflowIds: readonly string[],
  most: number,
): Promise<(NamedRow & { readonly used_id: string })[]> {
  if (workflowIds.length === 0) return [];
  const { rows } = await knex.raw<{ rows: (NamedRow & { used_id: string })[] }>(
    `WITH RECURSIVE callers AS (
       SELECT unnest(:ids::uuid[]) AS id, NULL::uuid AS used_id
       UNION
       SELECT used_in.workflow_definition_id, link.used_workflow_id
       FROM callers
       JOIN workflow_version_workflows AS link ON link.used_workflow_id = callers.id
       JOIN workflow_versions AS used_in ON used_in.id = link.version_id
       WHERE used_in.workflow_definition_id IS NOT NULL
     )
     SELECT callers.id, callers.used_id, workflow.name
     FROM callers JOIN workflow_definitions AS workflow ON workflow.id = callers.id
     WHERE callers.used_id IS NOT NULL
     ORDER BY workflow.name, callers.used_id LIMIT :most`,
    { ids: [...workflowIds], most },
  );
  return rows;
}

/** What starts workflows by itself. */
export interface TriggerRow extends NamedRow {
  readonly type: "schedule" | "webhook";
  readonly workflow_id: string;
  readonly is_enabled: boolean;
  readonly timing: string | null;
}

/** Schedules and webhooks of workflows, by name. */
export async function readTriggers(
  knex: Knex,
  workflowIds: readonly string[],
  most: number,
): Promise<TriggerRow[]> {
  const { rows } = await knex.raw<{ rows: TriggerRow[] }>(
    `SELECT 'schedule' AS type, id, name, workflow_id, enabled AS is_enabled,
       coalesce(cron, 'every ' || every_seconds || ' s') AS timing
     FROM schedules WHERE workflow_id = ANY(:ids::uuid[])
     UNION ALL
     SELECT 'webhook', id, name, workflow_id, enabled, NULL FROM webhooks WHERE workflow_id = ANY(:ids::uuid[])
     ORDER BY type, name LIMIT :most`,
    { ids: [...workflowIds], most },
  );
  return rows;
}

/** Versions of prompts that offer the component to a model. */
export async function readPrompts(
  knex: Knex,
  subject: Pick<SubjectRow, "name" | "version">,
  most: number,
): Promise<(NamedRow & { readonly version: string })[]> {
  return (await knex("mcp_versions AS version")
    .join("mcp_definitions AS definition", "definition.id", "version.mcp_definition_id")
    .select("version.id", "definition.name", "version.version")
    .whereRaw("version.config -> 'tools' @> ?::jsonb", [
      JSON.stringify([`mcp:${subject.name}@${subject.version}`]),
    ])
    .orderBy(["definition.name", "version.version_order"])
    .limit(most)) as (NamedRow & { version: string })[];
}

/** The components that a prompt has as tools. */
export async function readPromptTools(
  knex: Knex,
  tools: readonly string[],
): Promise<(NamedRow & { readonly version: string; readonly mcp_type: string })[]> {
  const wanted = tools.flatMap((tool) => {
    const reference = parseMcpReference(tool.replace(/^mcp:/, ""));
    return "error" in reference || reference.versionOrder === undefined
      ? []
      : [[reference.name, reference.versionOrder]];
  });
  if (wanted.length === 0) return [];
  const { rows } = await knex.raw<{
    rows: (NamedRow & { version: string; mcp_type: string })[];
  }>(
    `SELECT version.id, definition.name, version.version, definition.mcp_type
     FROM unnest(?::text[], ?::text[]) AS wanted(name, version_order)
     JOIN mcp_definitions AS definition ON definition.name = wanted.name
     JOIN mcp_versions AS version ON version.mcp_definition_id = definition.id
       AND version.version_order = wanted.version_order
     ORDER BY definition.name, version.version_order`,
    [wanted.map(([name]) => name ?? ""), wanted.map(([, order]) => order ?? "")],
  );
  return rows;
}

/** A late run of a workflow. */
export interface RunRow {
  readonly id: string;
  readonly workflow_id: string;
  readonly workflow_version: number;
  readonly status: RunStatus;
  readonly created_at: Date;
}

/** The last runs of those versions, newest first: looked for among the last twenty runs of each workflow. */
export async function readLastRuns(
  knex: Knex,
  workflowIds: readonly string[],
  versionIds: readonly string[],
  most: number,
): Promise<RunRow[]> {
  if (workflowIds.length === 0) return [];
  const { rows } = await knex.raw<{ rows: RunRow[] }>(
    `SELECT run.id, run.workflow_id, run.workflow_version, run.status, run.created_at
     FROM unnest(:ids::uuid[]) AS wanted(id)
     CROSS JOIN LATERAL (
       SELECT id, workflow_id, workflow_version, workflow_version_id, status, created_at
       FROM workflow_runs WHERE workflow_id = wanted.id ORDER BY id DESC LIMIT 20
     ) AS run
     WHERE run.workflow_version_id = ANY(:versionIds::uuid[])
     ORDER BY run.id DESC LIMIT :most`,
    { ids: [...workflowIds], versionIds: [...versionIds], most },
  );
  return rows;
}

/** What a version uses, by name; what has been removed meanwhile has no id. */
export interface UsedRow {
  readonly type: "external_db_config" | "secret" | "llm_provider";
  readonly id: string | null;
  readonly name: string;
  readonly detail: string | null;
}

/** The databases, secrets and the provider that a version uses. */
export async function readUsed(knex: Knex, subject: SubjectRow): Promise<UsedRow[]> {
  const isPrompt = subject.mcp_type === "llm_prompt";
  const { rows } = await knex.raw<{ rows: UsedRow[] }>(
    `SELECT 'external_db_config' AS type, config.id, wanted.name, config.db_type AS detail
     FROM unnest(:databases::text[]) AS wanted(name) LEFT JOIN external_db_configs AS config USING (name)
     UNION ALL
     SELECT 'secret', NULL, wanted.name, CASE WHEN secret.name IS NULL THEN 'is not stored' END
     FROM unnest(:secrets::text[]) AS wanted(name) LEFT JOIN secrets AS secret USING (name)
     UNION ALL
     SELECT 'llm_provider', id, name, CASE WHEN is_default THEN 'the default' END FROM llm_providers
     WHERE :isPrompt AND CASE WHEN :provider::text IS NULL THEN is_default ELSE name = :provider END
     ORDER BY 1, 3`,
    {
      databases: subject.external_db_configs,
      secrets: subject.secrets,
      provider: subject.provider,
      isPrompt,
    },
  );
  return rows;
}

/** The tools of a Model Context Protocol server, as they are stored with its version. */
export async function readContractTools(
  knex: Knex,
  subject: SubjectRow,
): Promise<{ readonly name: string; readonly description?: string }[]> {
  if (subject.mcp_type !== "mcp_package") return [];
  const row = await knex("mcp_tool_contracts").first("tools").where("mcp_version_id", subject.id);
  return (row?.tools ?? []) as { name: string; description?: string }[];
}
