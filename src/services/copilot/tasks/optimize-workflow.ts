import type { OptimizeWorkflow } from "../../../contracts/api/copilot.js";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import { isJsonObject } from "../../../core/json.js";
import { notFound } from "../../../errors/app-error.js";
import { checkDefinition } from "../../workflow-definitions/check-definition.js";
import { getVersionByNumber, getWorkflowByNameOrId } from "../../workflow-definitions/workflow-queries.js";
import type { Candidate } from "../candidate.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";
import type { RuleTools } from "../findings/finding-rule.js";
import { findingRules } from "../findings/registry.js";
import { repairDefinition } from "../findings/repair-definition.js";
import { gatherGround, type WorkflowGround } from "../ground/workflow-ground.js";
import { describeDatabases, describeGround } from "../ground/describe-ground.js";
import { applyPatch } from "../patches/apply-patch.js";
import type { GateRules } from "../patches/pass-gate.js";
import { readOutputs } from "../history/read-outputs.js";

const PURPOSE = "workflow-optimization";

/** What could be better about a workflow. @throws AppError NOT_FOUND */
export async function optimizeWorkflow(deps: CopilotDeps, body: OptimizeWorkflow): Promise<CopilotTask> {
  const workflow = body.workflow === undefined ? undefined : await findWorkflow(deps, body.workflow);
  const definition = (body.definition ?? workflow?.definition) as JsonValue;
  const version = body.definition === undefined ? (workflow?.version ?? null) : null;
  const named = workflow && { id: workflow.id, name: workflow.name, version };
  const own = named && { id: named.id, name: named.name };
  const rules: GateRules = {
    documents: [
      {
        target: { kind: "definition", workflow: workflow?.name ?? null, version },
        label: "definition",
        value: definition,
        judge: async (value) => await deps.judges.definition(value, own),
      },
    ],
  };
  const result = await gatherGround({ knex: deps.knex, check: deps.definitionCheck }, definition, named);
  if ("check" in result) {
    const { faults } = result.check;
    return {
      purpose: PURPOSE,
      rules,
      findings: repairDefinition(definition, faults),
      prompt: {
        task: "This workflow definition is not valid. Suggest a patch to `definition` that mends all its faults at once.",
        sections: [
          { name: "definition", value: definition },
          { name: "faults", value: faults.slice(0, 100).map(({ path, message }) => ({ path, message })) },
        ],
      },
    };
  }
  const { ground } = result;
  const findings = await analyse(deps, ground, own);
  return { purpose: PURPOSE, rules, findings, prompt: await buildPrompt(deps, ground, findings) };
}

async function findWorkflow(deps: CopilotDeps, nameOrId: string) {
  const row = await getWorkflowByNameOrId(deps.knex, nameOrId);
  if (row.latestVersion === 0) throw notFound("Workflow version");
  const { definition, version } = await getVersionByNumber(deps.knex, row.id, row.latestVersion);
  return { id: row.id, name: row.name, version, definition };
}

async function analyse(
  deps: CopilotDeps,
  ground: WorkflowGround,
  own: { id: string; name: string } | undefined,
): Promise<Candidate[]> {
  const tools: RuleTools = {
    evaluator: deps.evaluator,
    readOutputs: async (stepId) => await readOutputs(deps.knex, ground, stepId),
    async compile(patch) {
      const patched = applyPatch(ground.definition, patch);
      if ("fault" in patched) return undefined;
      return (await checkDefinition(deps.definitionCheck, patched.value, own)).compiled?.plan;
    },
  };
  const found: Candidate[] = [];
  for (const rule of findingRules) found.push(...(await rule.find(ground, tools)).slice(0, MOST_OF_A_KIND));
  return found;
}

/** A workflow of thousands of steps has a finding in each: nobody reads them all. */
const MOST_OF_A_KIND = 25;

async function buildPrompt(deps: CopilotDeps, ground: WorkflowGround, findings: readonly Candidate[]) {
  const databases = await describeDatabases(deps.knex, ground);
  return {
    task:
      "Suggest how this workflow can be made faster, cheaper, safer or more robust. Analysis has found what stands in " +
      "`findings` already: do not repeat it. Patches are against `definition`.",
    sections: [
      { name: "definition", value: ground.definition },
      { name: "components", value: describeGround(ground) },
      { name: "history", value: summarizeHistory(ground) },
      { name: "findings", value: findings.map(({ kind, title }) => ({ kind, title })) },
      ...(databases.length > 0 ? [{ name: "databases", value: databases, maxCharacters: 30_000 }] : []),
    ],
  };
}

function summarizeHistory({ history }: WorkflowGround): JsonObject {
  const { runs, succeeded, durationMs, steps } = history;
  const shown = [...steps.values()]
    .slice(0, 200)
    .map(({ failedRunIds: _f, repeatRunIds: _r, ...step }) => step);
  const summary: unknown = JSON.parse(JSON.stringify({ runs, succeeded, durationMs, steps: shown }));
  return isJsonObject(summary) ? summary : {};
}
