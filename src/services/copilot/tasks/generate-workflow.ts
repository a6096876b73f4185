import { stringify } from "yaml";
import type { GenerateWorkflow } from "../../../contracts/api/copilot.js";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import type { Candidate } from "../candidate.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";
import { chainComponents, draftBuiltins } from "../generation/draft-workflow.js";
import { searchComponents } from "../generation/search-components.js";
import { readScans } from "../ground/describe-ground.js";

const MOST_COMPONENTS = 30;

/** A workflow that does what a prompt asks for, of what there is. */
export async function generateWorkflow(
  deps: CopilotDeps,
  { prompt }: GenerateWorkflow,
): Promise<CopilotTask> {
  const { knex, judges } = deps;
  const [found, builtins, secrets, databases] = await Promise.all([
    searchComponents(knex, prompt, { limit: MOST_COMPONENTS }),
    draftBuiltins(knex, prompt),
    knex("secrets").orderBy("name").limit(200).pluck("name") as Promise<string[]>,
    knex("external_db_configs").orderBy("name").limit(5).pluck("name") as Promise<string[]>,
  ]);
  const chain = chainComponents(prompt, found);
  return {
    purpose: "generate-workflow",
    rules: {
      documents: [],
      judgeDefinition: async (definition) => await judges.definition(definition),
      demanded: "definition",
    },
    findings: [
      ...(chain
        ? [
            toCandidate(
              chain,
              "registry-template",
              "A chain of the components that the prompt's words find",
              describe(found),
            ),
          ]
        : []),
      toCandidate(
        builtins,
        "builtin-template",
        "A workflow of built-in steps to start from",
        "By the prompt's words alone: put your own addresses, statements and words in.",
      ),
    ],
    prompt: {
      task:
        "Write a workflow definition that does what the prompt asks for, of the components in the data and of built-in steps. " +
        "Give it in `definition`. Where a needed component does not exist, say so in `detail`, and leave it out.",
      sections: [
        { name: "prompt", value: prompt },
        { name: "components", value: found.map(toFacts) },
        { name: "secrets", value: secrets },
        { name: "databases", value: await readScans(knex, databases) },
      ],
    },
  };
}

function toCandidate(definition: JsonObject, kind: string, title: string, detail: string): Candidate {
  return { kind, title, detail, severity: "info", definition, code: stringify(definition) };
}

function describe(found: readonly { name: string; words: readonly string[] }[]): string {
  const names = found.slice(0, 10).map(({ name, words }) => `${name} (${words.join(", ")})`);
  return `Found by words: ${names.join("; ")}. Inputs come from earlier outputs of the same name, else from the run's input.`;
}

function toFacts(component: Awaited<ReturnType<typeof searchComponents>>[number]): JsonValue {
  const { name, version, description, mcpType, inputSchema, outputSchema } = component;
  return { uses: `mcp:${name}@${version}`, description, mcpType, inputSchema, outputSchema };
}
