import type { Knex } from "knex";
import type { JsonValue } from "../../core/json.js";
import type { RunPlan } from "../../core/plan.js";

/** What the engine knows of a workflow version. Versions never change, so this may be kept for ever. */
export interface CompiledVersion {
  readonly id: string;
  readonly workflowId: string | null;
  readonly name: string;
  readonly version: number;
  readonly plan: RunPlan;
  /** JSON Schema of the input; null when the workflow has none. */
  readonly inputSchema: JsonValue;
}

const MOST_VERSIONS = 500;

/** Compiled workflow versions, read once per process and kept, the least recently used dropped first. */
export function createPlanCache(deps: { knex: Knex }) {
  const versions = new Map<string, Promise<CompiledVersion>>();

  async function load(versionId: string): Promise<CompiledVersion> {
    const { knex } = deps;
    const row = await knex("workflow_versions")
      .first(
        "id",
        "workflow_definition_id",
        "name",
        "version",
        "plan",
        knex.raw("definition -> 'inputs' AS inputs"),
      )
      .where("id", versionId);
    if (!row) throw new Error(`workflow version ${versionId} is gone`);
    return {
      id: row.id,
      workflowId: row.workflow_definition_id,
      name: row.name,
      version: row.version,
      plan: row.plan,
      inputSchema: row.inputs ?? null,
    };
  }

  return {
    /** The version; rejects when there is no such row. */
    async get(versionId: string): Promise<CompiledVersion> {
      const known = versions.get(versionId);
      if (known) {
        versions.delete(versionId);
        versions.set(versionId, known);
        return await known;
      }
      const loading = load(versionId);
      versions.set(versionId, loading);
      loading.catch(() => versions.delete(versionId));
      const [oldest] = versions.keys();
      if (versions.size > MOST_VERSIONS && oldest !== undefined) versions.delete(oldest);
      return await loading;
    },
  };
}

/** See {@link createPlanCache}. */
export type PlanCache = ReturnType<typeof createPlanCache>;
