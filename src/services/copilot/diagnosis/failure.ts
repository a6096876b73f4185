import type { JsonObject, JsonValue } from "../../../core/json.js";
import type { PlanStep, RunPlan } from "../../../core/plan.js";
import type { RunError } from "../../../core/statuses.js";
import type { Candidate } from "../candidate.js";
import type { ComponentFacts } from "../ground/read-components.js";
import type { StepHistory } from "../history/workflow-history.js";
import type { PatchTarget } from "../../../contracts/api/copilot.js";

/** One step that failed, and all that is known of it. */
export interface Failure {
  readonly runId: string;
  readonly error: RunError;
  readonly step: PlanStep;
  /** As written. */
  readonly written: JsonObject;
  /** Where it stands in the definition. */
  readonly path: string;
  readonly itemIndex: number;
  readonly attempts: number;
  readonly inputs: JsonValue;
  /** The last lines that it wrote, oldest first. */
  readonly logs: readonly string[];
  readonly durationMs: number | null;
  readonly component: ComponentFacts | undefined;
  readonly history: StepHistory | undefined;
  readonly plan: RunPlan;
  /** The documents that a patch can change; the configuration's is there where a component is run. */
  readonly targets: { readonly definition: PatchTarget; readonly config: PatchTarget | undefined };
}

/** Explains one kind of failure, when it is that. */
export interface DiagnosisRule {
  readonly kind: string;
  explain(failure: Failure): Candidate[];
}

/** Everything that the step and the engine said, in one text. */
export function textOf({ error, logs }: Failure): string {
  return `${error.message}\n${JSON.stringify(error.details ?? "")}\n${logs.join("\n")}`;
}

/** The evidence of a failure: where, how often, and the lines that tell. */
export function evidenceOf(
  { runId, step, attempts, history, error }: Failure,
  quotes: readonly string[] = [],
) {
  return {
    runIds: [runId, ...(history?.failedRunIds ?? []).filter((id) => id !== runId)].slice(0, 10),
    stepId: step.id,
    counts: {
      attempts,
      ...(history
        ? { executions: history.executions, failed: history.failed, succeeded: history.succeeded }
        : {}),
    },
    errorCodes:
      history && Object.keys(history.errorCodes).length > 0 ? { ...history.errorCodes } : { [error.code]: 1 },
    ...(history?.durationMs ? { durationMs: history.durationMs } : {}),
    ...(quotes.length > 0 ? { quotes: quotes.slice(0, 5).map((quote) => quote.slice(0, 500)) } : {}),
  };
}
