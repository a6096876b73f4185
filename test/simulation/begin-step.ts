import type { StepJob } from "../../src/contracts/step-job.js";
import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep, StepTarget } from "../../src/core/plan.js";
import type { Hold, Transition } from "../../src/core/transition.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { prepareAdmission, takeTurn } from "./admission.js";
import type { SimProcess } from "./process.js";
import type { Task } from "./task.js";

/** Whether a worker executes a step; the others are only begun by it. */
export function isRunHere({ target }: PlanStep): boolean {
  return (
    target.kind === "mcp" ||
    (target.kind === "builtin" && target.name !== "wait" && target.name !== "approval")
  );
}

/** As `step-processor.ts` says. */
export function mayBeginAlone(step: PlanStep, job: StepJob): boolean {
  if (!isRunHere(step)) return true;
  return job.itemIndex < 0 && (step.when !== undefined || step.forEach !== undefined);
}

/** As `begin-step.ts` does. What conditions and items come to is decided by the seed. */
export function* beginStep(
  process: SimProcess,
  job: StepJob,
  step: PlanStep,
): Task<TransitionOutcome | undefined> {
  // mappings are resolved, which takes a moment
  yield* process.sleep(process.world.random.int(1, 5));
  const begin = toTransition(process, job, step);
  if (!begin) return undefined;
  const outcome = yield* process.apply(job.runId, begin.transition, begin.child);
  const { workflowId = null, isHeld = false } = begin.child ?? {};
  if (isHeld && workflowId !== null && !outcome.refusal) yield* takeTurn(process, workflowId);
  return outcome;
}

function toTransition(
  process: SimProcess,
  job: StepJob,
  step: PlanStep,
): { transition: Transition; child?: NewRun } | undefined {
  const { random } = process.world;
  const { stepIndex, itemIndex, attempt } = job;
  const key = { stepIndex, itemIndex, attempt };
  const isWhole = itemIndex < 0;
  if (random.chance(0.03)) {
    const error = { code: "invalid_input", message: "an input cannot be resolved" } as const;
    return { transition: { kind: "failQueued", ...key, error } };
  }
  if (isWhole && step.when !== undefined && random.chance(0.5))
    return { transition: { kind: "skip", ...key } };
  if (isWhole && step.forEach !== undefined)
    return { transition: { kind: "expand", ...key, items: drawItems(process) } };
  const { target } = step;
  if (target.kind === "builtin" && (target.name === "wait" || target.name === "approval"))
    return { transition: { kind: "hold", ...key, hold: drawHold(process, target.name) } };
  if (target.kind !== "workflow") return undefined;
  const childRunId = process.world.newRunId();
  const child = toCalledRun(process, { ...job, itemIndex }, target, childRunId);
  const { timeoutSeconds } = step;
  return {
    transition: { kind: "call", ...key, childRunId, inputs: {}, timeoutSeconds },
    child: prepareAdmission(process, child),
  };
}

function drawItems({ world }: SimProcess): JsonValue[] {
  const count = world.random.pick([0, 1, 2, 3, 3, 4, 6]);
  return Array.from({ length: count }, (_, index) => `item ${index}`);
}

function drawHold({ world }: SimProcess, name: "wait" | "approval"): Hold {
  const { random } = world;
  if (name === "wait")
    return { dueMs: random.int(0, 12_000), waitingFor: { reason: "wait", detail: "" }, inputs: {} };
  return {
    ...(random.chance(0.5) ? { dueMs: random.int(1000, 20_000) } : {}),
    approval: {
      roles: [],
      users: [],
      required: random.int(1, 3),
      allowSelfApproval: true,
      onExpiry: random.pick(["reject", "approve", "fail"] as const),
      decisions: [],
    },
    waitingFor: { reason: "approval", detail: "" },
    inputs: {},
  };
}

function toCalledRun(
  { world }: SimProcess,
  { runId, stepIndex, itemIndex }: StepJob,
  target: Extract<StepTarget, { kind: "workflow" }>,
  id: string,
): NewRun {
  const { workflowId, versionId } = target;
  return {
    ...world.draftRun(id, workflowId, versionId),
    trigger: "workflow",
    parent: { runId, stepIndex, itemIndex },
  };
}
