import type { Knex } from "knex";
import type { DeliveryMapping } from "../../contracts/api/webhooks.js";
import { toPointer } from "../../core/json-pointer.js";
import { AppError, type FieldFault, invalidFields } from "../../errors/app-error.js";
import type { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import { getVersionByNumber, getWorkflowByNameOrId } from "../workflow-definitions/workflow-queries.js";
import { DELIVERY_NAMES } from "./shape-input.js";

/** What of a webhook has to be judged; what is left out has not changed. */
export interface WebhookDraft {
  /** Name or id. */
  readonly workflow?: string | null | undefined;
  readonly version?: number | null | undefined;
  readonly filter?: string | null | undefined;
  readonly input?: Readonly<Record<string, DeliveryMapping>> | null | undefined;
}

/**
 * Judges what the shape of a request cannot say, and returns the workflow that it names.
 * @throws AppError INVALID_FIELDS with every fault: an unknown workflow or version, and expressions that are none.
 */
export async function checkWebhook(
  deps: { readonly knex: Knex; readonly evaluator: SafeEvaluator },
  draft: WebhookDraft,
): Promise<WorkflowDefinitionModel | undefined> {
  const [target, expressionFaults] = await Promise.all([
    findTarget(deps.knex, draft),
    checkExpressions(deps.evaluator, draft),
  ]);
  const faults = [...target.faults, ...expressionFaults];
  if (faults.length > 0) throw invalidFields(faults);
  return target.workflow;
}

async function findTarget(
  knex: Knex,
  { workflow, version }: WebhookDraft,
): Promise<{ workflow?: WorkflowDefinitionModel; faults: FieldFault[] }> {
  if (workflow == null) return { faults: [] };
  const found = await orUndefined(getWorkflowByNameOrId(knex, workflow));
  if (!found) return { faults: [{ path: "/workflow", message: "there is no such workflow" }] };
  if (version != null && !(await orUndefined(getVersionByNumber(knex, found.id, version)))) {
    return { faults: [{ path: "/version", message: `${found.name} has no version ${version}` }] };
  }
  return { workflow: found, faults: [] };
}

async function orUndefined<T>(lookup: Promise<T>): Promise<T | undefined> {
  try {
    return await lookup;
  } catch (error) {
    if (error instanceof AppError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

async function checkExpressions(evaluator: SafeEvaluator, draft: WebhookDraft): Promise<FieldFault[]> {
  const written = Object.entries(draft.input ?? {}).flatMap(([name, mapping]) =>
    "expression" in mapping
      ? [{ path: toPointer(["input", name, "expression"]), text: mapping.expression }]
      : [],
  );
  if (draft.filter != null) written.unshift({ path: "/filter", text: draft.filter });
  if (written.length === 0) return [];
  const facts = await evaluator.inspectExpressions(
    written.map(({ text }) => text),
    DELIVERY_NAMES,
  );
  return written.flatMap(({ path }, at) => {
    const error = facts[at]?.error;
    return error === undefined ? [] : [{ path, message: error }];
  });
}
