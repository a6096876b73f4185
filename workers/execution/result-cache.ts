import type { JsonValue } from "../../src/core/json.js";
import type { Logger } from "../../src/observability/logger.js";
import type { PlanCache } from "../../src/services/engine/plan-cache.js";
import type { InputResolver, ResolvedInputs } from "../../src/services/engine/resolve-inputs.js";
import { keyOf } from "../../src/services/step-cache/cache-key.js";
import type { CachedResult, StepCache } from "../../src/services/step-cache/step-cache.js";
import type { Attempt } from "./run-attempt.js";

/** What the cache has for an attempt of a step with `cache`. */
export interface CacheLookup {
  readonly hit: CachedResult | undefined;
  /** Keeps what the attempt came to. A cache out of reach fails no step. */
  keep(result: { readonly output: JsonValue; readonly outputArtifactId?: string }): Promise<void>;
}

/** The dependencies of the result cache. */
export interface ResultCacheDeps {
  readonly plans: PlanCache;
  readonly resolver: InputResolver;
  readonly cache: StepCache;
  readonly logger: Logger;
}

/** Finds and keeps results of steps that say `cache`. */
export function createResultCache({ plans, resolver, cache, logger }: ResultCacheDeps) {
  async function toKey(
    { job, plan, step }: Attempt,
    inputs: ResolvedInputs,
    workflowId: string | null,
  ): Promise<string | undefined> {
    const at = { runId: job.runId, plan, step, itemIndex: job.itemIndex };
    const key = step.cache?.key;
    if (key === undefined) return keyOf({ workflowId, step, inputs: inputs.values });
    const keyValue = (await resolver.evaluateFor(at, "the cache key", key)) ?? null;
    const item =
      job.itemIndex < 0 ? undefined : ((await resolver.evaluateFor(at, "the item", "item")) ?? null);
    return keyOf({ workflowId, step, keyValue, item });
  }

  return {
    /**
     * Undefined for a step without `cache`, and for one whose result is not to be kept.
     * @throws MappingError when the key cannot be evaluated.
     */
    async find(attempt: Attempt, inputs: ResolvedInputs): Promise<CacheLookup | undefined> {
      const { job, step } = attempt;
      const rule = step.cache;
      if (!rule) return undefined;
      const { workflowId } = await plans.get(job.versionId);
      const key = await toKey(attempt, inputs, workflowId);
      if (key === undefined) return undefined;
      return {
        hit: await cache.lookup(key),
        async keep(result) {
          const { target } = step;
          const { ttlSeconds } = rule;
          try {
            await cache.store({ key, ttlSeconds, ...result, fromRunId: job.runId, workflowId, target });
          } catch (error) {
            logger.warn({ err: error, runId: job.runId, stepId: step.id }, "result not cached");
          }
        },
      };
    },
  };
}

/** See {@link createResultCache}. */
export type ResultCache = ReturnType<typeof createResultCache>;
