import type { Knex } from "knex";
import type { StepJob } from "../../src/contracts/step-job.js";

/** So long after it began, a step is no longer taken for what may end its worker at once. */
const PROBATION_MS = 2000;

/**
 * Keeps steps apart that a dead worker left: one of them may be what killed it. On each worker they begin one after the
 * other, so that those which are not the cause have mostly ended, or are not begun, when the next worker dies.
 */
export function createProbation({ knex }: { knex: Knex }) {
  let holder: symbol | undefined;
  let until = 0;

  async function isSuspect({ runId, stepIndex, itemIndex, attempt }: StepJob): Promise<boolean> {
    if (attempt === 1) return false;
    const key = { run_id: runId, step_index: stepIndex, item_index: itemIndex };
    const row = await knex("step_runs").first("lost_count").where(key);
    return (row?.lost_count ?? 0) > 0;
  }

  return {
    /** Milliseconds to come back after, or what to call when the step has ended. */
    async enter(job: StepJob): Promise<{ waitMs: number } | { leave: () => void }> {
      if (!(await isSuspect(job))) return { leave: () => undefined };
      const now = performance.now();
      if (holder !== undefined && now < until) return { waitMs: until - now };
      const own = Symbol(job.stepId);
      holder = own;
      until = now + PROBATION_MS;
      return {
        leave() {
          if (holder === own) holder = undefined;
        },
      };
    },
  };
}

/** See {@link createProbation}. */
export type Probation = ReturnType<typeof createProbation>;
