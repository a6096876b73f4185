import type { JsonObject, JsonValue } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import { listSecretNames } from "../../executors/mcp-package/placeholders.js";
import { checkMcpVersion, type VersionCheckDeps } from "../mcp-registry/check-mcp-version.js";
import { checkDefinition, type DefinitionCheckDeps } from "../workflow-definitions/check-definition.js";
import type { OwnWorkflow } from "../workflow-definitions/judge-nesting.js";

/** Who judges what suggestions come to: the same checks that storing makes. */
export interface Judges {
  definition(value: JsonValue, own?: OwnWorkflow): Promise<readonly FieldFault[]>;
  config(mcpType: string, value: JsonValue, more?: ConfigSurroundings): Promise<readonly FieldFault[]>;
  schema(value: JsonValue): Promise<readonly FieldFault[]>;
}

/** What stands beside a configuration in its version. */
export interface ConfigSurroundings {
  readonly inputSchema?: JsonObject | null;
  readonly secrets?: readonly string[];
}

/** Makes the judges. */
export function createJudges(deps: {
  readonly definitions: DefinitionCheckDeps;
  readonly versions: VersionCheckDeps;
}): Judges {
  return {
    definition: async (value, own) => (await checkDefinition(deps.definitions, value, own)).faults,
    async config(mcpType, value, { inputSchema, secrets } = {}) {
      const named = secrets ?? [...new Set(listSecretNames(JSON.stringify(value)))];
      const body = {
        version: "1.0.0",
        config: value as JsonObject,
        secrets: [...named],
        ...(inputSchema ? { inputSchema } : {}),
      };
      const { faults } = await checkMcpVersion(deps.versions, mcpType, body);
      return faults.map(({ path, message }) => ({ path: path.replace(/^\/config/, ""), message }));
    },
    schema: async (value) =>
      typeof value === "boolean" || (typeof value === "object" && value !== null && !Array.isArray(value))
        ? await deps.definitions.evaluator.inspectSchema(value)
        : [{ path: "", message: "must be an object or a boolean" }],
  };
}
