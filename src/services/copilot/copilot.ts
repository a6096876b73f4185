import type {
  AdviseConfig,
  CopilotAnswer,
  CopilotEvent,
  DiagnoseRun,
  GenerateWorkflow,
  OptimizeWorkflow,
  RepairSchema,
  WriteSnippet,
} from "../../contracts/api/copilot.js";
import type { Actor } from "../../core/actor.js";
import type { Permission } from "../../core/permissions.js";
import { assertCan } from "../access/assert-can.js";
import { answerTask } from "./answer-task.js";
import type { CopilotDeps } from "./copilot-deps.js";
import type { CopilotTask } from "./copilot-task.js";
import type { CopilotThrottle } from "./copilot-throttle.js";
import type { ConsultDeps } from "./model/consult-model.js";
import { adviseConfig } from "./tasks/advise-config.js";
import { diagnoseRun } from "./tasks/diagnose-run.js";
import { generateWorkflow } from "./tasks/generate-workflow.js";
import { optimizeWorkflow } from "./tasks/optimize-workflow.js";
import { repairSchema } from "./tasks/repair-schema.js";
import { writeSnippet } from "./tasks/write-snippet.js";

/** The bodies of the calls, by their names in the path. */
export interface CopilotBodies {
  readonly "workflow-optimization": OptimizeWorkflow;
  readonly "component-config": AdviseConfig;
  readonly "schema-repair": RepairSchema;
  readonly "code-snippet": WriteSnippet;
  readonly diagnose: DiagnoseRun;
  readonly "generate-workflow": GenerateWorkflow;
}

/** One of the calls. */
export type CopilotCallName = keyof CopilotBodies;

/** A call that was prepared: what it is about is there, and it may be answered. */
export interface PreparedAnswer {
  /** Answers once. Never rejects for what a model or its provider does. @throws the signal's reason when it is aborted */
  answer(emit: (event: CopilotEvent) => void, signal: AbortSignal): Promise<CopilotAnswer>;
}

/**
 * Suggestions about workflows, components, schemas and failed runs: what analysis proves, and what a model adds. It reads, and
 * changes nothing.
 */
export interface Copilot {
  /** @throws AppError FORBIDDEN, TOO_MANY_REQUESTS, NOT_FOUND, INVALID_FIELDS */
  prepare<Name extends CopilotCallName>(
    name: Name,
    body: CopilotBodies[Name],
    actor: Actor,
  ): Promise<PreparedAnswer>;
}

type Tasks = {
  readonly [Name in CopilotCallName]: (deps: CopilotDeps, body: CopilotBodies[Name]) => Promise<CopilotTask>;
};

const TASKS: Tasks = {
  "workflow-optimization": optimizeWorkflow,
  "component-config": adviseConfig,
  "schema-repair": repairSchema,
  "code-snippet": writeSnippet,
  diagnose: diagnoseRun,
  "generate-workflow": generateWorkflow,
};

/** What a call reads beside what it is given: a narrowed API key needs these as well. */
const READS: Readonly<Record<CopilotCallName, readonly Permission[]>> = {
  "workflow-optimization": ["definition:read", "run:read"],
  "component-config": [],
  "schema-repair": [],
  "code-snippet": ["definition:read"],
  diagnose: ["definition:read", "run:read"],
  "generate-workflow": ["definition:read", "secret:read", "connection:read"],
};

/** Makes the copilot. */
export function createCopilot(deps: CopilotDeps, consult: ConsultDeps, throttle: CopilotThrottle): Copilot {
  return {
    async prepare(name, body, actor) {
      for (const permission of ["copilot:use", ...READS[name]] as const) assertCan(actor, permission);
      await throttle.assertMayAsk(actor.userId);
      const task = await TASKS[name](deps, body);
      const { userId } = actor;
      const { useModel } = body;
      return {
        answer: async (emit, signal) => await answerTask(consult, task, { userId, useModel, signal, emit }),
      };
    },
  };
}
