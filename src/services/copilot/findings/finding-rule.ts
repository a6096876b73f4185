import type { Evidence } from "../../../contracts/api/copilot.js";
import type { JsonValue } from "../../../core/json.js";
import type { RunPlan } from "../../../core/plan.js";
import type { SafeEvaluator } from "../../evaluation-types.js";
import type { Candidate } from "../candidate.js";
import type { GroundStep, WorkflowGround } from "../ground/workflow-ground.js";
import type { StepHistory } from "../history/workflow-history.js";

/** What a step gave in one run. */
export interface RecordedOutput {
  readonly runId: string;
  readonly output: JsonValue;
}

/** What a rule may ask for beyond what it is given. */
export interface RuleTools {
  /** The plan that the definition would have with a patch; undefined when it would not be valid. */
  compile(patch: NonNullable<Candidate["patch"]>): Promise<RunPlan | undefined>;
  /** What a step gave in the newest runs, newest first; large outputs are left out. */
  readOutputs(stepId: string): Promise<readonly RecordedOutput[]>;
  readonly evaluator: Pick<SafeEvaluator, "evaluate" | "validate">;
}

/** One kind of finding: what analysis can tell without any model. */
export interface FindingRule {
  readonly kind: string;
  find(ground: WorkflowGround, tools: RuleTools): Candidate[] | Promise<Candidate[]>;
}

/** The history of a step, if it has any. */
export function historyOf(ground: WorkflowGround, step: GroundStep): StepHistory | undefined {
  return ground.history.steps.get(step.plan.id);
}

/** The component version that a step runs; undefined for steps that run none. */
export function componentOf(ground: WorkflowGround, { plan: { target } }: GroundStep) {
  return target.kind === "mcp" ? ground.components.get(target.mcpVersionId) : undefined;
}

/** Evidence of a step's history, with what the rule adds. */
export function evidenceOf(ground: WorkflowGround, step: GroundStep, more: Evidence = {}): Evidence {
  const seen = historyOf(ground, step);
  return {
    stepId: step.plan.id,
    runs: ground.history.runs,
    ...(seen && {
      counts: {
        executions: seen.executions,
        succeeded: seen.succeeded,
        failed: seen.failed,
        recovered: seen.recovered,
      },
      ...(seen.durationMs && { durationMs: seen.durationMs }),
      ...(Object.keys(seen.errorCodes).length > 0 && { errorCodes: { ...seen.errorCodes } }),
    }),
    ...more,
  };
}

/** Milliseconds in words: `850 ms`, `12.3 s`, `4 min`. */
export function inWords(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  return `${Math.round(ms / 60_000)} min`;
}
