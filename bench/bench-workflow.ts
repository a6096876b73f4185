import type { Knex } from "knex";
import { compilePlan } from "../src/core/compile-plan.js";
import { newId } from "../src/core/ids.js";
import type { RunnableVersion } from "../src/services/engine/run-commands.js";
import { type Shape, stepsOf } from "./workloads.js";

/** Stores a published workflow of no-op steps, a new one each time, and returns what a run of it is started from. */
export async function createBenchWorkflow(knex: Knex, shape: Shape): Promise<RunnableVersion> {
  const steps = stepsOf(shape);
  const plan = compilePlan(
    {
      steps: steps.map((step) => ({
        ...step,
        runAfter: "allSucceeded",
        onError: "fail",
        workerGroup: "default",
        priority: 0,
      })),
    },
    { targets: steps.map(() => ({ kind: "builtin", name: "noop" })), expressionSteps: new Map() },
  );
  const definition = { steps: steps.map((step) => ({ ...step, uses: "builtin:noop" })) };
  const workflowId = newId();
  const version = { workflowId, versionId: newId(), name: `${nameOf(shape)}-${workflowId}`, version: 1 };
  await knex.transaction(async (trx) => {
    await trx("workflow_definitions").insert({
      id: version.workflowId,
      name: version.name,
      latest_version: 1,
      published_version: 1,
    });
    await trx("workflow_versions").insert({
      id: version.versionId,
      workflow_definition_id: version.workflowId,
      name: version.name,
      version: 1,
      definition: JSON.stringify(definition),
      plan: JSON.stringify(plan),
      published_at: trx.fn.now(),
    });
  });
  return version;
}

/** A name for a shape: the same shape has the same name. */
export function nameOf(shape: Shape): string {
  if (shape.kind === "single") return "bench-single";
  return shape.kind === "chain" ? `bench-chain-${shape.length}` : `bench-fan-out-${shape.width}`;
}
