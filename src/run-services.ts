import type { Platform } from "./container.js";
import { createRunCommands } from "./services/engine/run-commands.js";
import type { RunCommands } from "./services/runs/run-commands.js";
import {
  createWorkflowDefinitions,
  type WorkflowDefinitions,
} from "./services/workflow-definitions/workflow-definitions.js";

/** What starts runs, in the API as in the scheduler. */
export interface RunServices {
  readonly workflows: WorkflowDefinitions;
  readonly commands: RunCommands;
}

/** Makes them on an open platform. They open nothing, so there is nothing to close. */
export function createRunServices(platform: Platform): RunServices {
  const { settings, knex, audit, evaluator, secrets, engine, runQueue, logger } = platform;
  const { admission, followOutcome } = platform;
  const workflows = createWorkflowDefinitions({
    knex,
    audit,
    evaluator,
    secrets,
    externalDbs: platform.connections,
    allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE,
    maxSteps: settings.MAX_STEPS,
  });
  const commands = createRunCommands({
    knex,
    engine,
    admission,
    followOutcome,
    runQueue,
    evaluator,
    audit,
    logger,
    versions: workflows,
  });
  return { workflows, commands };
}
