import type { Knex } from "knex";
import type { RunJob } from "../../src/contracts/step-job.js";
import { isRunTerminal, type RunStatus } from "../../src/core/statuses.js";
import { StepStates } from "../../src/core/step-states.js";
import type { RunCloser } from "../../src/services/engine/run-closer.js";

/**
 * Takes a run's parent job, after its last child: closes the run if whoever ended the last step could not.
 * A run that still has open steps (it was rescued into plain jobs) is left to them.
 */
export function createRunProcessor(deps: { knex: Knex; closeRun: RunCloser }) {
  return async function processRun(job: RunJob): Promise<void> {
    const run = await deps
      .knex("workflow_runs")
      .first("status", "step_states", "workflow_version_id")
      .where("id", job.runId);
    if (!run || isRunTerminal(run.status as RunStatus)) return;
    if (new StepStates(run.step_states).areAllEnded())
      await deps.closeRun(job.runId, run.workflow_version_id);
  };
}
