import type { Knex } from "knex";
import type { Activity } from "../../contracts/api/dashboard.js";
import type { RunStatus } from "../../core/statuses.js";

/**
 * What everybody may see of the audit log: changes to things that everybody may read. Sign-ins, users, keys and
 * refused attempts stay with the admins.
 */
const SHOWN_ENTITIES = [
  "mcp_definition",
  "mcp_version",
  "workflow_definition",
  "workflow_version",
  "workflow_run",
  "schedule",
  "webhook",
  "external_db_config",
];
/** The newest entries looked at: many may be of kinds that are not shown. */
const MOST_SCANNED = 1000;

interface RunRow {
  readonly id: string;
  readonly workflow_name: string;
  readonly status: RunStatus;
  readonly created_by_name: string;
  readonly at: Date;
}

interface ActionRow {
  readonly at: Date;
  readonly actor_name: string;
  readonly action: string;
  readonly entity_type: string | null;
  readonly entity_id: string | null;
}

/** The newest actions and runs together, newest first. */
export async function readActivity(knex: Knex, limit: number): Promise<Activity[]> {
  const [runs, actions] = await Promise.all([readRuns(knex, limit), readActions(knex, limit)]);
  return [...runs.map(presentRunActivity), ...actions.map(presentAction)]
    .sort((one, other) => (one.at < other.at ? 1 : -1))
    .slice(0, limit);
}

async function readRuns(knex: Knex, limit: number): Promise<RunRow[]> {
  return (await knex("workflow_runs")
    .select(
      "id",
      "workflow_name",
      "status",
      "created_by_name",
      knex.raw("COALESCE(finished_at, started_at, created_at) AS at"),
    )
    .orderBy("id", "desc")
    .limit(limit)) as RunRow[];
}

async function readActions(knex: Knex, limit: number): Promise<ActionRow[]> {
  const newest = knex("action_logs")
    .select("seq", "at", "actor_name", "action", "entity_type", "entity_id", "outcome")
    .orderBy("seq", "desc")
    .limit(MOST_SCANNED)
    .as("newest");
  return (await knex
    .select("at", "actor_name", "action", "entity_type", "entity_id")
    .from(newest)
    .where("outcome", "succeeded")
    .whereIn("entity_type", SHOWN_ENTITIES)
    .orderBy("seq", "desc")
    .limit(limit)) as ActionRow[];
}

function presentRunActivity(row: RunRow): Activity {
  return {
    kind: "run",
    at: row.at.toISOString(),
    actor: row.created_by_name,
    action: `run.${row.status}`,
    entityType: "workflow_run",
    entityId: row.id,
    label: row.workflow_name,
  };
}

function presentAction(row: ActionRow): Activity {
  return {
    kind: "action",
    at: row.at.toISOString(),
    actor: row.actor_name,
    action: row.action,
    entityType: row.entity_type,
    entityId: row.entity_id,
    label: null,
  };
}
