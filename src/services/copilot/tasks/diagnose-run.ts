import type { DiagnoseRun } from "../../../contracts/api/copilot.js";
import type { JsonValue } from "../../../core/json.js";
import { boundJson } from "../../../executors/llm/bounded-json.js";
import type { Candidate } from "../candidate.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";
import { definitionTarget, type FailedRun, readFailedRun } from "../diagnosis/read-failures.js";
import { diagnosisRules } from "../diagnosis/registry.js";
import type { GateDocument } from "../patches/pass-gate.js";
import { withoutPlainSecrets } from "../plain-secrets.js";

/** Why a run failed, and what mends it. @throws AppError NOT_FOUND */
export async function diagnoseRun(deps: CopilotDeps, { runId }: DiagnoseRun): Promise<CopilotTask> {
  const top = await readFailedRun(deps.knex, runId);
  const chain: FailedRun[] = [];
  for (let at: FailedRun | undefined = top; at; at = at.child) chain.push(at);
  const root = chain.at(-1) ?? top;
  const failures = root.failures.map((failure) => ({
    ...failure,
    // what is quoted is seen by whoever reads the answer, and by a model
    logs: withoutPlainSecrets([...failure.logs]) as string[],
    inputs: withoutPlainSecrets(failure.inputs),
    error: withoutPlainSecrets(failure.error as unknown as JsonValue) as unknown as typeof failure.error,
  }));
  const findings = failures.flatMap((failure) => {
    for (const rule of diagnosisRules) {
      const found = rule.explain(failure);
      if (found.length > 0) return found;
    }
    return [];
  });
  return {
    purpose: "diagnose",
    rules: { documents: listDocuments(deps, root) },
    findings: [...describeChain(chain), ...(findings.length > 0 ? findings : describeWithoutFailure(root))],
    prompt: {
      task:
        "Explain why this run failed, and suggest the fix. Analysis has found what stands in `findings`: go further, do not repeat " +
        "it. Patches are against the named documents, as they were when the run began.",
      sections: [
        { name: "run", value: describeRun(root) },
        { name: "definition", value: root.version.definition },
        ...failures.map((failure) => ({
          name: `failed step ${failure.step.id}`,
          value: {
            error: failure.error as unknown as JsonValue,
            attempts: failure.attempts,
            durationMs: failure.durationMs,
            inputs: boundJson(failure.inputs, 8_000),
            logs: [...failure.logs],
            config: failure.component?.config ?? null,
            inputSchema: failure.component?.inputSchema ?? null,
            outputSchema: failure.component?.outputSchema ?? null,
            history: JSON.parse(JSON.stringify(failure.history ?? null)) as JsonValue,
          },
        })),
        { name: "findings", value: findings.map(({ kind, title }) => ({ kind, title })) },
      ],
    },
  };
}

function listDocuments({ judges }: CopilotDeps, { run, version, failures }: FailedRun): GateDocument[] {
  const own = run.workflowId === null ? undefined : { id: run.workflowId, name: run.workflowName };
  const definition: GateDocument = {
    target: definitionTarget(run),
    label: "definition",
    value: version.definition,
    judge: async (value) => await judges.definition(value, own),
  };
  const components = new Map(
    failures.flatMap(({ component }) => (component ? [[component.id, component]] : [])),
  );
  const configs = [...components.values()].map(
    (component): GateDocument => ({
      target: { kind: "config", mcp: `${component.name}@${component.version}`, mcpVersionId: component.id },
      label: `config of ${component.name}@${component.version}`,
      value: component.config,
      judge: async (value) => await judges.config(component.mcpType, value, component),
    }),
  );
  return [definition, ...configs];
}

function describeChain(chain: readonly FailedRun[]): Candidate[] {
  if (chain.length < 2) return [];
  const names = chain.map(({ run }) => `${run.workflowName} (${run.id})`);
  return [
    {
      kind: "sub-workflow",
      title: `It failed ${chain.length - 1} levels below, in ${chain.at(-1)?.run.workflowName}`,
      detail: `${names.join(" → ")}. What follows is about the last of them.`,
      severity: "info",
      evidence: { runIds: chain.map(({ run }) => run.id) },
    },
  ];
}

function describeWithoutFailure({ run }: FailedRun): Candidate[] {
  const evidence = { runIds: [run.id] };
  if (run.status === "failed" || run.status === "canceled") {
    const detail = run.error ? `${run.error.code}: ${run.error.message}` : "Nothing more is recorded.";
    const severity = run.status === "failed" ? ("error" as const) : ("info" as const);
    const kind = `run-${run.error?.code.replaceAll("_", "-") ?? run.status}`;
    return [{ kind, title: `The run ${run.status} without a step that failed`, detail, severity, evidence }];
  }
  const detail =
    run.status === "succeeded"
      ? "There is nothing to mend. workflow-optimization looks at what could be better."
      : "It has not ended. GET …/steps says of each step in waitingFor why it is not running.";
  return [{ kind: "no-failure", title: `The run is ${run.status}`, detail, severity: "info", evidence }];
}

function describeRun({ run }: FailedRun): JsonValue {
  return {
    id: run.id,
    workflow: run.workflowName,
    version: run.workflowVersion,
    status: run.status,
    trigger: run.trigger,
    input: boundJson(run.input, 8_000),
    error: run.error as unknown as JsonValue,
  };
}
