import { randomBytes } from "node:crypto";
import type { By } from "../src/core/actor.js";
import type { WorkflowDefinitions } from "../src/services/workflow-definitions/workflow-definitions.js";
import { type Shape, stepsOf } from "./workloads.js";

/** Publishes a workflow of no-op steps through the service, a new one each time. @returns its name. */
export async function publishBenchWorkflow(
  workflows: WorkflowDefinitions,
  shape: Shape,
  by: By,
): Promise<string> {
  const name = `bench-${shape.kind.toLowerCase()}-${randomBytes(5).toString("hex")}`;
  const steps = stepsOf(shape).map((step) => ({ ...step, uses: "builtin:noop" }));
  await workflows.create({ name, definition: { steps } }, by);
  return name;
}
