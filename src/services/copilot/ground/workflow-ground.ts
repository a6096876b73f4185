import type { Knex } from "knex";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import { isJsonObject } from "../../../core/json.js";
import type { InputMapping, PlanStep, RunPlan } from "../../../core/plan.js";
import { ScheduleModel } from "../../../models/schedule-model.js";
import { WorkflowDefinitionModel } from "../../../models/workflow-definition-model.js";
import {
  checkDefinition,
  type DefinitionCheck,
  type DefinitionCheckDeps,
} from "../../workflow-definitions/check-definition.js";
import { type DraftStep, parseDefinition } from "../../workflow-definitions/parse-definition.js";
import { readHistory } from "../history/read-history.js";
import { NO_HISTORY, type WorkflowHistory } from "../history/workflow-history.js";
import { type ComponentFacts, readComponents } from "./read-components.js";

/** What the copilot looks at a workflow with. */
export interface GroundDeps {
  readonly knex: Knex;
  readonly check: DefinitionCheckDeps;
}

/** One step: as written, and as compiled. */
export interface GroundStep {
  readonly plan: PlanStep;
  /** Where it stands in the definition: a JSON Pointer. */
  readonly path: string;
  /** As written, without defaults. */
  readonly written: JsonObject;
  readonly inputs: Readonly<Record<string, InputMapping>>;
  /** Ids of the steps whose data it reads, `dependsOn` aside. */
  readonly reads: ReadonlySet<string>;
}

/** A definition that is valid, and all that is known of it. */
export interface WorkflowGround {
  readonly workflow:
    | { readonly id: string; readonly name: string; readonly version: number | null }
    | undefined;
  readonly definition: JsonObject;
  readonly plan: RunPlan;
  readonly steps: readonly GroundStep[];
  readonly components: ReadonlyMap<string, ComponentFacts>;
  readonly history: WorkflowHistory;
  /** Enabled schedules: this workflow's, and those of all others. */
  readonly schedules: readonly GroundSchedule[];
  /** The names of all stored secrets. */
  readonly secretNames: ReadonlySet<string>;
}

/** A schedule, with the name of its workflow. */
export interface GroundSchedule {
  readonly row: ScheduleModel;
  readonly workflowName: string;
}

const MOST_SCHEDULES = 500;

/** A definition looked at: its ground, or what is wrong with it. */
export type GroundResult = { readonly ground: WorkflowGround } | { readonly check: DefinitionCheck };

/** Gathers everything about a definition; of one with faults, the faults. */
export async function gatherGround(
  deps: GroundDeps,
  definition: JsonValue,
  workflow: WorkflowGround["workflow"],
): Promise<GroundResult> {
  const own = workflow && { id: workflow.id, name: workflow.name };
  const check = await checkDefinition(deps.check, definition, own);
  if (!check.compiled) return { check };
  const { plan, mcpVersionIds } = check.compiled;
  const [components, history, schedules, secrets] = await Promise.all([
    readComponents(deps.knex, mcpVersionIds),
    workflow ? readHistory(deps.knex, workflow.id, plan) : NO_HISTORY,
    workflow ? readSchedules(deps.knex) : [],
    deps.knex("secrets").pluck("name").limit(5_000) as Promise<string[]>,
  ]);
  const steps = await placeSteps(deps, definition as JsonObject, plan);
  return {
    ground: {
      workflow,
      definition: definition as JsonObject,
      plan,
      steps,
      components,
      history,
      schedules,
      secretNames: new Set(secrets),
    },
  };
}

async function placeSteps(
  { check }: GroundDeps,
  definition: JsonObject,
  plan: RunPlan,
): Promise<GroundStep[]> {
  const { draft } = parseDefinition(definition, check.maxSteps);
  const texts = [...new Set(draft.steps.flatMap(expressionsOf))];
  const facts = await check.evaluator.inspectExpressions(texts);
  const readBy = new Map(texts.map((text, at) => [text, facts[at]?.stepIds ?? []]));
  return draft.steps.flatMap((step) => {
    const planned = plan.steps[step.index];
    if (!planned) return [];
    const [, list = "", at = ""] = step.path.split("/");
    const members = definition[list];
    const written = Array.isArray(members) ? members[Number(at)] : undefined;
    return isJsonObject(written)
      ? [{ plan: planned, path: step.path, written, inputs: step.inputs, reads: readsOf(step, readBy) }]
      : [];
  });
}

function mappingsOf({ inputs, forEach }: DraftStep): InputMapping[] {
  return [...Object.values(inputs), ...(forEach === undefined ? [] : [forEach])];
}

function expressionsOf(step: DraftStep): string[] {
  return [
    ...mappingsOf(step).flatMap((mapping) => ("expression" in mapping ? [mapping.expression] : [])),
    ...[step.when, step.cache?.key].filter((text) => text !== undefined),
  ];
}

function readsOf(step: DraftStep, readBy: ReadonlyMap<string, readonly string[]>): Set<string> {
  return new Set([
    ...mappingsOf(step).flatMap((mapping) => ("step" in mapping ? [mapping.step] : [])),
    ...expressionsOf(step).flatMap((text) => readBy.get(text) ?? []),
  ]);
}

async function readSchedules(knex: Knex): Promise<GroundSchedule[]> {
  const rows = await ScheduleModel.query(knex)
    .where("enabled", true)
    .whereNotNull("workflow_id")
    .orderBy("id")
    .limit(MOST_SCHEDULES);
  const ids = [...new Set(rows.map((row) => row.workflowId as string))];
  const names = new Map(
    (await WorkflowDefinitionModel.query(knex).select("id", "name").whereIn("id", ids)).map(
      ({ id, name }) => [id, name],
    ),
  );
  return rows.map((row) => ({ row, workflowName: names.get(row.workflowId ?? "") ?? "" }));
}
