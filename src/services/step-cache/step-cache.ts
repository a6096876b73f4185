import type { Knex } from "knex";
import type { JsonValue } from "../../core/json.js";
import type { StepTarget } from "../../core/plan.js";
import type { Db } from "../../models/repository.js";

/** A result that stands in for an execution. */
export interface CachedResult {
  readonly output: JsonValue;
  /** The run that has computed it. */
  readonly fromRunId: string;
}

/** A result to keep. */
export interface NewCachedResult {
  /** By `keyOf`. */
  readonly key: string;
  readonly ttlSeconds: number;
  readonly output: JsonValue;
  /** An output that became an artifact is not kept: the artifact goes with its run, the result might not. */
  readonly outputArtifactId?: string | undefined;
  readonly fromRunId: string;
  readonly workflowId: string | null;
  readonly target: StepTarget;
}

/** Whose results are to be forgotten. */
export type CacheScope =
  | { readonly mcpVersionId: string }
  | { readonly mcpDefinitionId: string }
  | { readonly workflowId: string };

/** Results of steps with `cache`, by key, for as long as the step says; all by the database's clock. */
export interface StepCache {
  /** The result kept under a key; undefined when there is none, or its time is over. */
  lookup(key: string): Promise<CachedResult | undefined>;
  /** Keeps a result, in the place of an older one. @returns whether it was kept: large outputs are not. */
  store(result: NewCachedResult): Promise<boolean>;
  /** Forgets results; inside a transaction, as part of it. @returns how many */
  invalidate(scope: CacheScope, db?: Db): Promise<number>;
  /** Removes what has expired, a few at a time. @throws when the signal is aborted */
  tidy(signal: AbortSignal): Promise<number>;
}

const EXPIRED_PER_DELETE = 5000;

/** Makes the cache over a database. */
export function createStepCache({ knex }: { readonly knex: Knex }): StepCache {
  return {
    async lookup(key) {
      const row = await knex("step_cache")
        .first("output", "from_run_id")
        .where("key", key)
        .whereRaw("expires_at > now()");
      return row && { output: row.output as JsonValue, fromRunId: row.from_run_id as string };
    },

    async store(result) {
      if (result.outputArtifactId !== undefined) return false;
      const { target } = result;
      await knex("step_cache")
        .insert({
          key: result.key,
          output: JSON.stringify(result.output),
          from_run_id: result.fromRunId,
          workflow_id: result.workflowId,
          mcp_version_id: target.kind === "mcp" ? target.mcpVersionId : null,
          created_at: knex.fn.now(),
          expires_at: knex.raw("now() + make_interval(secs => ?)", [result.ttlSeconds]),
        })
        .onConflict("key")
        .merge();
      return true;
    },

    async invalidate(scope, db = knex) {
      const query = db("step_cache");
      if ("workflowId" in scope) void query.where("workflow_id", scope.workflowId);
      else if ("mcpVersionId" in scope) void query.where("mcp_version_id", scope.mcpVersionId);
      else {
        const versions = db("mcp_versions").select("id").where("mcp_definition_id", scope.mcpDefinitionId);
        void query.whereIn("mcp_version_id", versions);
      }
      return await query.delete();
    },

    async tidy(signal) {
      let removed = 0;
      for (;;) {
        signal.throwIfAborted();
        const { rowCount } = await knex.raw(
          `DELETE FROM step_cache WHERE key IN (
             SELECT key FROM step_cache WHERE expires_at <= now()
             ORDER BY expires_at LIMIT ${EXPIRED_PER_DELETE} FOR UPDATE SKIP LOCKED)`,
        );
        removed += rowCount as number;
        if ((rowCount as number) < EXPIRED_PER_DELETE) return removed;
      }
    },
  };
}
