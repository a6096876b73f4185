import { randomBytes } from "node:crypto";
import type { By } from "../src/core/actor.js";
import type { WorkflowDefinitions } from "../src/services/workflow-definitions/workflow-definitions.js";
import { type Shape, stepsOf } from "./workloads.js";

/** A no-op with a time-out of its own is claimed and run, as a step with effects is (ADR 34). */
const CLAIMED = { timeoutSeconds: 600 };

/** Publishes a workflow of no-op steps through the service, a new one each time. @returns its name. */
export async function publishBenchWorkflow(
  workflows: WorkflowDefinitions,
  { shape, isClaimed }: { readonly shape: Shape; readonly isClaimed: boolean },
  by: By,
): Promise<string> {
  const name = `bench-${shape.kind.toLowerCase()}-${randomBytes(5).toString("hex")}`;
  const steps = stepsOf(shape).map((step) => ({
    ...step,
    uses: "builtin:noop",
    ...(isClaimed ? CLAIMED : {}),
  }));
  await workflows.create({ name, definition: { steps } }, by);
  return name;
}
