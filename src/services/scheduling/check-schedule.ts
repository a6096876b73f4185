import type { Actor } from "../../core/actor.js";
import type { JsonValue } from "../../core/json.js";
import { AppError, invalidFields } from "../../errors/app-error.js";
import type { SafeEvaluator } from "../evaluation-types.js";

/** The part of a workflow version that a schedule is checked against. */
export interface ScheduledVersion {
  readonly workflowId: string | null;
  readonly inputSchema?: JsonValue | null;
}

/** What judging a schedule needs. */
export interface ScheduleCheckDeps {
  readonly evaluator: Pick<SafeEvaluator, "validate">;
  readonly versions: {
    /** @throws AppError NOT_FOUND, FORBIDDEN, CONFLICT */
    resolveForRun(workflow: string, version: undefined, actor: Actor): Promise<ScheduledVersion>;
  };
}

/**
 * The id of the workflow that a schedule is to start, once its input has been found to fit the published version.
 * @throws AppError INVALID_FIELDS for an unknown workflow, one without a published version, and an input that does
 * not fit, with pointers under `/input`.
 */
export async function checkTarget(
  deps: ScheduleCheckDeps,
  { workflow, input }: { readonly workflow: string; readonly input: JsonValue },
  actor: Actor,
): Promise<string | null> {
  const version = await resolveTarget(deps, workflow, actor);
  if (version.inputSchema === undefined || version.inputSchema === null) return version.workflowId;
  const faults = await deps.evaluator.validate(version.inputSchema, input);
  if (faults.length > 0)
    throw invalidFields(faults.map(({ path, message }) => ({ path: `/input${path}`, message })));
  return version.workflowId;
}

async function resolveTarget(
  deps: ScheduleCheckDeps,
  workflow: string,
  actor: Actor,
): Promise<ScheduledVersion> {
  try {
    return await deps.versions.resolveForRun(workflow, undefined, actor);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const message =
      error.code === "NOT_FOUND"
        ? "there is no such workflow"
        : error.code === "CONFLICT"
          ? "has no published version"
          : undefined;
    if (message === undefined) throw error;
    throw invalidFields([{ path: "/workflow", message }]);
  }
}
