import { z } from "zod";
import { createMcpDefinitionSchema, createMcpVersionSchema } from "../../contracts/api/mcp-definitions.js";
import { createWorkflowSchema } from "../../contracts/api/workflow-definitions.js";
import { AppError } from "../../errors/app-error.js";
import type { McpRegistry } from "../../services/mcp-registry/mcp-registry.js";
import type { WorkflowDefinitions } from "../../services/workflow-definitions/workflow-definitions.js";
import { defineTool, type McpTool, READS } from "./mcp-tool.js";

const definition = z
  .record(z.string(), z.unknown())
  .describe("A workflow definition: inputs, steps, outputs, …");
const WRITES = { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const page = { limit: z.int().min(1).max(200).default(20), cursor: z.string().max(512).optional() };

/** The tools that show, judge and store definitions. */
export function definitionTools(deps: {
  readonly workflows: WorkflowDefinitions;
  readonly registry: McpRegistry;
}): McpTool[] {
  return [...readingTools(deps), ...writingTools(deps)];
}

function readingTools({ workflows, registry }: Parameters<typeof definitionTools>[0]): McpTool[] {
  return [
    defineTool({
      name: "list_workflows",
      title: "List workflows",
      description: "Workflows, newest first. Those that are tools can also be called by their name.",
      permission: "definition:read",
      annotations: READS,
      input: z.strictObject({ q: z.string().min(1).max(200).optional().describe("Words to find."), ...page }),
      call: async (input) => await workflows.list(input),
    }),
    defineTool({
      name: "get_workflow",
      title: "Show a workflow",
      description: "A workflow with the definition of its latest version.",
      permission: "definition:read",
      annotations: READS,
      input: z.strictObject({ workflow: z.string().min(1).max(200).describe("Name or id.") }),
      call: async (input) => await workflows.get(input.workflow),
    }),
    defineTool({
      name: "list_components",
      title: "List components",
      description: "Components that the steps of workflows use as mcp:NAME@VERSION, newest first.",
      permission: "definition:read",
      annotations: READS,
      input: z.strictObject({ q: z.string().min(1).max(200).optional().describe("Words to find."), ...page }),
      call: async (input) => await registry.list(input),
    }),
    defineTool({
      name: "validate_definition",
      title: "Judge a workflow definition",
      description: "Tells every fault of a definition with its JSON Pointer. Stores and runs nothing.",
      permission: "definition:validate",
      annotations: READS,
      input: z.strictObject({ definition }),
      async call(input) {
        const { valid, errors, warnings } = await workflows.validate(input.definition);
        return { valid, errors, warnings };
      },
    }),
  ];
}

function writingTools({ workflows, registry }: Parameters<typeof definitionTools>[0]): McpTool[] {
  return [
    defineTool({
      name: "apply_workflow",
      title: "Store a workflow",
      description:
        "Creates a workflow, or makes a new version of the one with this name. Published at once unless draft is true.",
      permission: "definition:write",
      annotations: WRITES,
      input: z.strictObject({ ...createWorkflowSchema.shape, definition }),
      async call({ name, ...body }, { actor, origin }) {
        const by = { actor, origin };
        const isThere = await exists(async () => await workflows.get(name));
        return isThere
          ? await workflows.update(name, body, undefined, by)
          : await workflows.create({ name, ...body }, by);
      },
    }),
    defineTool({
      name: "apply_component",
      title: "Store a version of a component",
      description:
        "Adds a version to a component, which is created if there is none with this name. A version never changes.",
      permission: "definition:write",
      annotations: { ...WRITES, idempotentHint: false },
      input: z.strictObject({
        name: createMcpDefinitionSchema.shape.name,
        mcpType: createMcpDefinitionSchema.shape.mcpType,
        description: createMcpDefinitionSchema.shape.description,
        version: createMcpVersionSchema,
      }),
      async call(input, { actor, origin }) {
        const isThere = await exists(async () => await registry.get(input.name));
        return isThere
          ? await registry.createVersion(input.name, input.version, actor, origin)
          : await registry.create(input, actor, origin);
      },
    }),
  ];
}

async function exists(get: () => Promise<unknown>): Promise<boolean> {
  try {
    await get();
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}
