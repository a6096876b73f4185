import type { ZodObject } from "zod";
import type { AdviseConfig } from "../../../contracts/api/copilot.js";
import type { JsonObject } from "../../../core/json.js";
import { invalidFields } from "../../../errors/app-error.js";
import type { ExecutorDefinition } from "../../../executors/types.js";
import { findConfigAdvice } from "../config-advice/advise-config.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";

/** What could be better about a component's configuration. @throws AppError INVALID_FIELDS for an unknown type */
export async function adviseConfig(deps: CopilotDeps, body: AdviseConfig): Promise<CopilotTask> {
  const definition = findExecutor(deps.executors, body.mcpType);
  const { mcpType } = body;
  const config = body.config as JsonObject;
  // what is wrong with the rest is known only once the type is
  const faults = [
    ...(config["type"] === mcpType ? [] : [{ path: "/type", message: `must be "${mcpType}"` }]),
    ...(await deps.judges.config(mcpType, { ...config, type: mcpType })),
  ];
  const fields = Object.keys((definition.configSchema as unknown as ZodObject).shape ?? {});
  return {
    purpose: "component-config",
    rules: {
      documents: [
        {
          target: { kind: "config", mcp: null, mcpVersionId: null },
          label: "config",
          value: config,
          judge: async (value) => await deps.judges.config(mcpType, value),
        },
      ],
    },
    findings: await findConfigAdvice({ mcpType, config, fields, faults }),
    prompt: {
      task:
        `Suggest how this configuration of a component of the type ${mcpType} can be made right, safer or more robust. ` +
        `${definition.copilotPrompt} Patches are against \`config\`.`,
      sections: [
        { name: "config", value: config },
        { name: "faults", value: faults.map(({ path, message }) => ({ path, message })) },
      ],
    },
  };
}

/** The definition of a type. @throws AppError INVALID_FIELDS when there is none */
export function findExecutor(executors: readonly ExecutorDefinition[], mcpType: string): ExecutorDefinition {
  const found = executors.find((one) => one.type === mcpType);
  if (found) return found;
  const message = `must be one of ${executors.map((one) => one.type).join(", ")}`;
  throw invalidFields([{ path: "/mcpType", message }]);
}
