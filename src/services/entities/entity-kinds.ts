import type { Entity, EntityType } from "../../contracts/api/entities.js";
import type { Actor } from "../../core/actor.js";
import type { Permission } from "../../core/permissions.js";
import { canActor } from "../access/assert-can.js";

/** A row as its kind's `columns` name it; `name`, `created_at`, `updated_at` and `created_by` are there in each. */
export interface EntityRow {
  readonly id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly created_by: string | null;
  readonly [column: string]: unknown;
}

/** How entities of a type are read and shown. The SQL is ours; what a caller gives is always bound. */
export interface EntityKind {
  /** What reads these elsewhere, too: no narrowed API key gets more here than there. */
  readonly permission: Permission;
  /** `FROM`, where the rows with the id are called `entity`. */
  readonly from: string;
  readonly columns: string;
  /** The column that `q` and `createdBy` search; absent: the type cannot be searched so. */
  readonly nameColumn?: string;
  readonly creatorColumn?: string;
  links(row: EntityRow): Entity["links"];
  details(row: EntityRow, actor: Actor): Entity["details"];
}

const API = "/api/v1";
const link = (rel: string, path: string, title?: unknown): Entity["links"][number] => ({
  rel,
  href: `${API}${path}`,
  ...(typeof title === "string" ? { title } : {}),
});
/** A link to what may be gone, or have never been. */
const linkIf = (rel: string, base: string, id: unknown, title?: unknown) =>
  typeof id === "string" ? [link(rel, `${base}${id}`, title)] : [];
const toInstant = (at: unknown) => (at instanceof Date ? at.toISOString() : null);

const mcpDefinition: EntityKind = {
  permission: "definition:read",
  from: "mcp_definitions AS entity",
  columns:
    "entity.id, entity.name, entity.created_at, entity.updated_at, entity.created_by, entity.description, entity.tags, entity.mcp_type, entity.revision",
  nameColumn: "entity.name",
  creatorColumn: "entity.created_by",
  links: ({ id }) => [
    link("self", `/mcp-definitions/${id}`),
    link("versions", `/mcp-definitions/${id}/versions`),
  ],
  details: ({ mcp_type: mcpType, description, tags, revision }) => ({ mcpType, description, tags, revision }),
};

const mcpVersion: EntityKind = {
  permission: "definition:read",
  from: "mcp_versions AS entity JOIN mcp_definitions AS definition ON definition.id = entity.mcp_definition_id",
  columns:
    "entity.id, definition.name || '@' || entity.version AS name, entity.created_at, coalesce(entity.deprecated_at, entity.created_at) AS updated_at, entity.created_by, entity.version, entity.description, entity.deprecated_at, entity.external_db_configs, entity.secrets, definition.id AS definition_id, definition.name AS definition_name, definition.mcp_type",
  nameColumn: "definition.name",
  creatorColumn: "entity.created_by",
  links: (row) => [
    link("self", `/mcp-versions/${row.id}`),
    link("definition", `/mcp-definitions/${String(row["definition_id"])}`, row["definition_name"]),
    link("lineage", `/graphs/mcp-versions/${row.id}/lineage`),
  ],
  details: (row) => ({
    mcpType: row["mcp_type"],
    version: row["version"],
    description: row["description"],
    isDeprecated: row["deprecated_at"] !== null,
    externalDbConfigs: row["external_db_configs"],
    secrets: row["secrets"],
  }),
};

const workflowDefinition: EntityKind = {
  permission: "definition:read",
  from: "workflow_definitions AS entity",
  columns:
    "entity.id, entity.name, entity.created_at, entity.updated_at, entity.created_by, entity.description, entity.tags, entity.latest_version, entity.published_version, entity.paused_at, entity.revision",
  nameColumn: "entity.name",
  creatorColumn: "entity.created_by",
  links: ({ id }) => [
    link("self", `/workflow-definitions/${id}`),
    link("versions", `/workflow-definitions/${id}/versions`),
    link("graph", `/graphs/workflows/${id}`),
    link("runs", `/workflow-runs?workflow=${id}`),
  ],
  details: (row) => ({
    description: row["description"],
    tags: row["tags"],
    latestVersion: row["latest_version"],
    publishedVersion: row["published_version"],
    isPaused: row["paused_at"] !== null,
    revision: row["revision"],
  }),
};

const workflowRun: EntityKind = {
  permission: "run:read",
  from: "workflow_runs AS entity",
  columns:
    "entity.id, entity.workflow_name AS name, entity.created_at, coalesce(entity.finished_at, entity.started_at, entity.created_at) AS updated_at, entity.created_by, entity.workflow_id, entity.workflow_version, entity.status, entity.trigger, entity.started_at, entity.finished_at, entity.error, entity.labels, entity.parent_run_id, entity.replay_of",
  links: (row) => [
    link("self", `/workflow-runs/${row.id}`),
    link("steps", `/workflow-runs/${row.id}/steps`),
    link("logs", `/workflow-runs/${row.id}/logs`),
    ...linkIf("workflow", "/workflow-definitions/", row["workflow_id"], row.name),
    ...linkIf("parent", "/workflow-runs/", row["parent_run_id"]),
    ...linkIf("replayOf", "/workflow-runs/", row["replay_of"]),
  ],
  details: (row) => ({
    status: row["status"],
    trigger: row["trigger"],
    workflowVersion: row["workflow_version"],
    startedAt: toInstant(row["started_at"]),
    finishedAt: toInstant(row["finished_at"]),
    error: row["error"],
    labels: row["labels"],
  }),
};

const stepRun: EntityKind = {
  permission: "run:read",
  from: "step_runs AS entity JOIN workflow_runs AS run ON run.id = entity.run_id",
  columns:
    "entity.id, entity.step_id AS name, coalesce(entity.queued_at, run.created_at) AS created_at, coalesce(entity.finished_at, entity.started_at, entity.queued_at, run.created_at) AS updated_at, run.created_by, entity.run_id, entity.item_index, entity.status, entity.attempt, entity.worker_id, entity.worker_group, entity.started_at, entity.finished_at, entity.error, entity.cache_hit, run.workflow_name",
  links: (row) => [
    link("run", `/workflow-runs/${String(row["run_id"])}`, row["workflow_name"]),
    link("steps", `/workflow-runs/${String(row["run_id"])}/steps`),
    link("logs", `/workflow-runs/${String(row["run_id"])}/logs?stepId=${encodeURIComponent(row.name)}`),
  ],
  details: (row) => ({
    runId: row["run_id"],
    stepId: row.name,
    itemIndex: row["item_index"] === -1 ? null : row["item_index"],
    status: row["status"],
    attempt: row["attempt"],
    workerId: row["worker_id"],
    workerGroup: row["worker_group"],
    startedAt: toInstant(row["started_at"]),
    finishedAt: toInstant(row["finished_at"]),
    error: row["error"],
    cacheHit: row["cache_hit"],
  }),
};

const externalDbConfig: EntityKind = {
  permission: "connection:read",
  from: "external_db_configs AS entity",
  columns:
    "entity.id, entity.name, entity.created_at, entity.updated_at, entity.created_by, entity.db_type, entity.secret_names, entity.scanned_at, entity.revision",
  nameColumn: "entity.name",
  creatorColumn: "entity.created_by",
  links: ({ id }) => [link("self", `/external-db-configs/${id}`)],
  details: (row) => ({
    dbType: row["db_type"],
    storedSecrets: row["secret_names"],
    scannedAt: toInstant(row["scanned_at"]),
    revision: row["revision"],
  }),
};

const schedule: EntityKind = {
  permission: "schedule:read",
  from: "schedules AS entity LEFT JOIN workflow_definitions AS workflow ON workflow.id = entity.workflow_id",
  columns:
    "entity.id, entity.name, entity.created_at, entity.updated_at, entity.created_by, entity.workflow_id, workflow.name AS workflow_name, entity.cron, entity.every_seconds, entity.timezone, entity.enabled, entity.next_due_at, entity.last_run_id, entity.last_run_at, entity.revision",
  nameColumn: "entity.name",
  creatorColumn: "entity.created_by",
  links: (row) => [
    link("self", `/schedules/${row.id}`),
    ...linkIf("workflow", "/workflow-definitions/", row["workflow_id"], row["workflow_name"]),
    ...linkIf("lastRun", "/workflow-runs/", row["last_run_id"]),
  ],
  details: (row) => ({
    cron: row["cron"],
    everySeconds: row["every_seconds"],
    timezone: row["timezone"],
    enabled: row["enabled"],
    nextRunAt: toInstant(row["next_due_at"]),
    lastRunAt: toInstant(row["last_run_at"]),
    revision: row["revision"],
  }),
};

/** Everybody may know who made a thing; addresses, roles and sign-ins are the admins', and each person's own. */
const user: EntityKind = {
  permission: "dashboard:read",
  from: "users AS entity",
  columns:
    "entity.id, entity.name, entity.created_at, entity.updated_at, NULL::uuid AS created_by, entity.email, entity.role, entity.is_active, entity.last_login_at",
  nameColumn: "entity.name",
  links: ({ id }) => [link("self", `/users/${id}`)],
  details: (row, actor) =>
    canActor(actor, "user:manage") || actor.userId === row.id
      ? {
          email: row["email"],
          role: row["role"],
          isActive: row["is_active"],
          lastLoginAt: toInstant(row["last_login_at"]),
        }
      : { isActive: row["is_active"] },
};

/** Every type of entity. */
export const ENTITY_KINDS: Readonly<Record<EntityType, EntityKind>> = {
  mcp_definition: mcpDefinition,
  mcp_version: mcpVersion,
  workflow_definition: workflowDefinition,
  workflow_run: workflowRun,
  step_run: stepRun,
  external_db_config: externalDbConfig,
  schedule,
  user,
};
