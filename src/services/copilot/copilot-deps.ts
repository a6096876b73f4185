import type { Knex } from "knex";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { DefinitionCheckDeps } from "../workflow-definitions/check-definition.js";
import type { ExecutorDefinition } from "../../executors/types.js";
import type { Judges } from "./judges.js";

/** What the copilot's calls look at and judge by. */
export interface CopilotDeps {
  readonly knex: Knex;
  readonly evaluator: SafeEvaluator;
  readonly judges: Judges;
  readonly definitionCheck: DefinitionCheckDeps;
  readonly executors: readonly ExecutorDefinition[];
}
