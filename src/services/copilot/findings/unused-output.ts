import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { phaseOf } from "../../../core/plan.js";
import type { Candidate } from "../candidate.js";
import type { GroundStep, WorkflowGround } from "../ground/workflow-ground.js";
import { componentOf, type FindingRule, evidenceOf } from "./finding-rule.js";

/** Steps whose output nobody reads. */
export const unusedOutput: FindingRule = {
  kind: "unused-output",
  find(ground) {
    const { outputs } = ground.definition;
    // without `outputs`, those of the last steps are the run's
    if (outputs === undefined)
      return ground.steps.flatMap((step) => describe(ground, step, isOnlyWaitedFor(ground, step)));
    const shown = JSON.stringify(outputs);
    return ground.steps.flatMap((step) =>
      describe(ground, step, !isRead(ground, step) && !mentions(shown, step.plan.id)),
    );
  },
};

function isRead(ground: WorkflowGround, { plan }: GroundStep): boolean {
  return ground.steps.some((other) => other.reads.has(plan.id));
}

function isOnlyWaitedFor(ground: WorkflowGround, step: GroundStep): boolean {
  return step.plan.dependants.length > 0 && !isRead(ground, step);
}

/** In a mapping or an expression; too often rather than too seldom. */
function mentions(outputs: string, id: string): boolean {
  return new RegExp(`(?<![a-z0-9_-])${id}(?![a-z0-9_-])`).test(outputs);
}

function describe(ground: WorkflowGround, step: GroundStep, isUnused: boolean): Candidate[] {
  const { id, target } = step.plan;
  if (!isUnused || phaseOf(step.plan) !== "main") return [];
  if (target.kind === "builtin" && !isReading(ground, step)) return [];
  // others may wait for what it does elsewhere
  const isRemovable = isReading(ground, step) && ground.steps.length > 1;
  const outputs = ground.definition["outputs"];
  const patch: PatchOperation[] = isRemovable
    ? removeStep(ground, step)
    : outputs === undefined
      ? []
      : [{ op: "add", path: `/outputs/${id}`, value: { step: id, output: "" } }];
  return [
    {
      kind: unusedOutput.kind,
      title: `Nobody reads the output of ${id}`,
      detail: isRemovable
        ? `${id} only reads, and neither a step nor the run's outputs use what it reads. It can go.`
        : `Neither a step nor the run's outputs use it. If ${id} is run for what it does elsewhere, all is well; ` +
          "else show its output, or take the step out.",
      severity: "info",
      ...(patch.length > 0 ? { patch } : {}),
      evidence: evidenceOf(ground, step, { runIds: [...ground.history.runIds] }),
    },
  ];
}

/** Whether a step changes nothing anywhere, by what it is. */
function isReading(ground: WorkflowGround, step: GroundStep): boolean {
  const { target } = step.plan;
  const constant = (name: string) => (step.inputs[name] as { value?: unknown } | undefined)?.value;
  if (target.kind === "builtin" && target.name === "http")
    return step.inputs["method"] === undefined || ["GET", "HEAD"].includes(String(constant("method")));
  if (target.kind === "builtin" && target.name === "sql")
    return step.inputs["readOnly"] === undefined || constant("readOnly") === true;
  const component = componentOf(ground, step);
  return component?.mcpType === "llm_prompt" && component.config["tools"] === undefined;
}

/** The step goes, and so does every wait for it. */
function removeStep(ground: WorkflowGround, step: GroundStep): PatchOperation[] {
  const { id } = step.plan;
  const waits = ground.steps.flatMap((other): PatchOperation[] => {
    const dependsOn = other.written["dependsOn"];
    if (!Array.isArray(dependsOn) || !dependsOn.includes(id)) return [];
    return dependsOn.length === 1
      ? [{ op: "remove", path: `${other.path}/dependsOn` }]
      : [{ op: "replace", path: `${other.path}/dependsOn`, value: dependsOn.filter((one) => one !== id) }];
  });
  return [...waits, { op: "remove", path: step.path }];
}
