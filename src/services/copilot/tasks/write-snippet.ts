import type { WriteSnippet } from "../../../contracts/api/copilot.js";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import type { FieldFault } from "../../../errors/app-error.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";
import { searchComponents } from "../generation/search-components.js";
import { templateOf } from "../generation/snippet-templates.js";
import { withoutPlainSecrets } from "../plain-secrets.js";
import { findExecutor } from "./advise-config.js";

const MOST_EXAMPLES = 3;

/** Code for a component. @throws AppError INVALID_FIELDS for an unknown type */
export async function writeSnippet(deps: CopilotDeps, body: WriteSnippet): Promise<CopilotTask> {
  const { mcpType, prompt } = body;
  const { copilotPrompt } = findExecutor(deps.executors, mcpType);
  const found = await searchComponents(deps.knex, prompt, { mcpType, limit: MOST_EXAMPLES });
  const judgeConfig = async (config: JsonValue) => await deps.judges.config(mcpType, config);
  const template = templateOf(mcpType, prompt);
  return {
    purpose: "code-snippet",
    rules: {
      documents: [],
      judgeConfig,
      demanded: "code",
      judgeCode: async (code): Promise<readonly FieldFault[]> => await judgeConfig(template.toConfig(code)),
    },
    findings: [
      ...found.map((component) => {
        const config = withoutPlainSecrets(component.config) as JsonObject;
        return {
          kind: "registry-example",
          title: `${component.name} ${component.version} does something like it`,
          detail:
            component.description ||
            `A component of this type whose name or description has words of the prompt.`,
          severity: "info" as const,
          code: template.codeOf(config),
          config,
          withoutPatch: component.description || "A component of this type that has words of the prompt.",
        };
      }),
      {
        kind: "template",
        title: "A template to start from",
        detail: template.detail,
        severity: "info" as const,
        code: template.code,
        config: template.toConfig(template.code),
      },
    ],
    prompt: {
      task:
        `Write what the prompt asks for, for a component of the type ${mcpType}. ${copilotPrompt} ` +
        `Give the source in \`code\`${template.note}, and the whole configuration in \`config\` where it needs more than that.`,
      sections: [
        { name: "prompt", value: prompt },
        ...(body.context === undefined ? [] : [{ name: "context", value: body.context as JsonValue }]),
        ...found.map(({ name, config }) => ({
          name: `example ${name}`,
          value: config,
          maxCharacters: 8_000,
        })),
      ],
    },
  };
}
