import { phaseOf } from "../../../core/plan.js";
import type { Candidate } from "../candidate.js";
import type { GroundStep, WorkflowGround } from "../ground/workflow-ground.js";
import { type FindingRule, evidenceOf, historyOf } from "./finding-rule.js";

/** Workflows that fail without anything being done about it, and side steps that take the whole run down. */
export const missingErrorHandling: FindingRule = {
  kind: "missing-error-handling",
  find: (ground) => [...sideSteps(ground), ...wholeWorkflow(ground)],
};

/** Steps at the end whose output nobody uses, such as a notification: their failure fails all that went well. */
function sideSteps(ground: WorkflowGround): Candidate[] {
  const { outputs } = ground.definition;
  if (outputs === undefined) return [];
  const shown = JSON.stringify(outputs);
  return ground.steps.flatMap((step) => {
    const seen = historyOf(ground, step);
    const isSide =
      phaseOf(step.plan) === "main" &&
      step.plan.dependants.length === 0 &&
      !shown.includes(`"${step.plan.id}"`);
    if (!isSide || step.plan.onError === "continue" || !seen || seen.failed === 0) return [];
    return [continueOnError(ground, step, seen.failed)];
  });
}

function continueOnError(ground: WorkflowGround, step: GroundStep, failed: number): Candidate {
  const { id } = step.plan;
  return {
    kind: missingErrorHandling.kind,
    title: `A failure of ${id} fails the whole run`,
    detail:
      `Nothing waits for ${id}, and the run's outputs do not use it, yet ${failed} executions that failed took their runs along. ` +
      "With onError: continue the run succeeds without it.",
    severity: "warning",
    patch: [
      {
        op: step.written["onError"] === undefined ? "add" : "replace",
        path: `${step.path}/onError`,
        value: "continue",
      },
    ],
    evidence: evidenceOf(ground, step, { runIds: [...(historyOf(ground, step)?.failedRunIds ?? [])] }),
  };
}

function wholeWorkflow(ground: WorkflowGround): Candidate[] {
  const { definition, history } = ground;
  const isHandled =
    definition["onFailure"] !== undefined ||
    definition["finally"] !== undefined ||
    ground.plan.steps.some(({ runAfter }) => runAfter !== "allSucceeded");
  if (isHandled || history.failedRunIds.length === 0) return [];
  return [
    {
      kind: missingErrorHandling.kind,
      title: "Nothing happens when a run fails",
      detail:
        `${history.failedRunIds.length} of ${history.runs} runs failed, and no step tells anybody or clears up. ` +
        "Steps in onFailure run when the run has failed, those in finally in any case; the code is one to start from.",
      severity: "info",
      code: ON_FAILURE,
      evidence: {
        runs: history.runs,
        runIds: history.failedRunIds.slice(0, 10),
        counts: { succeeded: history.succeeded, failed: history.failedRunIds.length },
      },
    },
  ];
}

const ON_FAILURE = `onFailure:
  - id: tell
    uses: builtin:http
    inputs:
      method: { value: POST }
      url: { value: "https://hooks.example.com/alerts" }
      body: { expression: "{ 'text': 'Run ' & run.id & ' has failed' }" }
    retry: { maxAttempts: 3 }
`;
