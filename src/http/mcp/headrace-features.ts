import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";
import type { Knex } from "knex";
import { z } from "zod";
import type { JsonObject } from "../../core/json.js";
import { isRunTerminal } from "../../core/statuses.js";
import { AppError, invalidFields, toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import { assertCan } from "../../services/access/assert-can.js";
import type { AuditLog } from "../../services/audit/audit-log.js";
import type { McpRegistry } from "../../services/mcp-registry/mcp-registry.js";
import {
  findToolWorkflow,
  listToolWorkflows,
  type ToolWorkflow,
} from "../../services/workflow-definitions/tool-workflows.js";
import type { WorkflowDefinitions } from "../../services/workflow-definitions/workflow-definitions.js";
import { toFieldFaults } from "../field-faults.js";
import { type ArtifactReads, readArtifact, readResource, RESOURCE_TEMPLATES } from "./artifact-resources.js";
import { definitionTools } from "./definition-tools.js";
import { type FollowDeps, followRunCall } from "./follow-run-call.js";
import type { McpCall, McpFeatures } from "./mcp-endpoint.js";
import { defineTool, type McpTool, READS, ToolAnswer, type ToolCall } from "./mcp-tool.js";
import { auditRefusal } from "./audit-refusal.js";
import { runTools } from "./run-tools.js";
import {
  ARTIFACT_URI,
  textResult,
  toErrorResult,
  toResult,
  toRunResult,
  toUnfinishedResult,
} from "./tool-results.js";

/** What Headrace's tools call. */
export interface HeadraceFeatureDeps extends FollowDeps, ArtifactReads {
  readonly queries: FollowDeps["queries"];
  readonly knex: Knex;
  readonly workflows: WorkflowDefinitions;
  readonly registry: McpRegistry;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

const TOOLS_PER_PAGE = 100;

/** Workflows as tools, tools over runs and definitions, and artifacts as resources: each call under its caller's role. */
export function createHeadraceFeatures(deps: HeadraceFeatureDeps): McpFeatures {
  const own = [...runTools(deps), ...definitionTools(deps), artifactTool(deps)];
  const byName = new Map(own.map((tool) => [tool.name, tool]));
  const described = own.map(describeTool);
  return (server, call) => {
    server.registerCapabilities({ tools: {}, resources: {} });
    server.setRequestHandler(ListToolsRequestSchema, async ({ params }) => {
      assertCan(call.actor, "definition:read");
      return await listTools(deps.knex, described, params?.cursor);
    });
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      const { name, arguments: input = {} } = params;
      const toolCall: ToolCall = { ...call, extra };
      const tool = byName.get(name);
      if (tool) return await callTool(deps, tool, input, toolCall);
      return await callWorkflow(deps, name, input as JsonObject, toolCall);
    });
    serveResources(deps, server, call);
  };
}

function serveResources(deps: HeadraceFeatureDeps, server: Server, call: McpCall): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [] }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: RESOURCE_TEMPLATES,
  }));
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }) => {
    try {
      assertCan(call.actor, "run:read");
      return await readResource(deps, params.uri);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new McpError(-32_002, error.detail, { uri: params.uri });
    }
  });
}

function artifactTool(deps: HeadraceFeatureDeps): McpTool {
  return defineTool({
    name: "read_artifact",
    title: "Read a file of a run",
    description: "A file that a step has left: text as text, other files as they are.",
    permission: "run:read",
    annotations: READS,
    input: z.strictObject({ artifactId: z.uuid() }),
    async call({ artifactId }) {
      const resource = await readArtifact(deps, artifactId, ARTIFACT_URI + artifactId);
      return new ToolAnswer({ content: [{ type: "resource", resource }] });
    },
  });
}

/** Our own tools first, then the workflows by name, a hundred at a time. */
async function listTools(knex: Knex, own: readonly Tool[], cursor: string | undefined) {
  const after = cursor === undefined ? "" : Buffer.from(cursor, "base64url").toString("utf8");
  if (cursor !== undefined && !/^[a-z][a-z0-9-]{1,62}$/.test(after)) {
    throw new McpError(ErrorCode.InvalidParams, "The cursor is none of this list's");
  }
  const found = await listToolWorkflows(knex, after, TOOLS_PER_PAGE + 1);
  const shown = found.slice(0, TOOLS_PER_PAGE);
  const last = shown.at(-1);
  return {
    tools: [...(cursor === undefined ? own : []), ...shown.map(describeWorkflow)],
    ...(found.length > shown.length && last
      ? { nextCursor: Buffer.from(last.name).toString("base64url") }
      : {}),
  };
}

function describeTool(tool: McpTool): Tool {
  const { $schema: _dialect, ...inputSchema } = z.toJSONSchema(tool.input, { io: "input" });
  const { name, title, description, annotations } = tool;
  return { name, title, description, annotations, inputSchema: inputSchema as Tool["inputSchema"] };
}

function describeWorkflow(workflow: ToolWorkflow): Tool {
  return {
    name: workflow.name,
    title: workflow.name,
    description: workflow.description || `Runs the workflow ${workflow.name}.`,
    inputSchema: workflow.inputSchema as Tool["inputSchema"],
    outputSchema: workflow.outputSchema as Tool["outputSchema"],
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    _meta: { "headrace/workflowId": workflow.id, "headrace/version": workflow.version },
  };
}

async function callTool(
  deps: HeadraceFeatureDeps,
  tool: McpTool,
  input: unknown,
  call: ToolCall,
): Promise<CallToolResult> {
  return await answer(deps, tool, call, async () => {
    assertCan(call.actor, tool.permission);
    const parsed = tool.input.safeParse(input);
    if (!parsed.success) throw invalidFields(toFieldFaults(parsed.error.issues));
    const value = await tool.call(parsed.data, call);
    return value instanceof ToolAnswer ? value.result : toResult(value);
  });
}

/** Starts a run of the workflow and answers its output, or that it goes on. */
async function callWorkflow(
  deps: HeadraceFeatureDeps,
  name: string,
  input: JsonObject,
  call: ToolCall,
): Promise<CallToolResult> {
  const workflow = await findToolWorkflow(deps.knex, name);
  if (!workflow) throw new McpError(ErrorCode.InvalidParams, `Unknown tool: ${name.slice(0, 100)}`);
  return await answer(deps, { name, permission: "run:start" }, call, async () => {
    assertCan(call.actor, "run:start");
    const command = {
      workflow: workflow.id,
      version: workflow.version,
      input: workflow.isInputWrapped ? (input["input"] ?? null) : input,
      trigger: "mcp" as const,
    };
    const { runId } = await deps.commands.start(command, call.actor, call.origin);
    const run = await followRunCall(deps, runId, call, { cancelsRun: true });
    return isRunTerminal(run.status) ? toRunResult(run) : toUnfinishedResult(run);
  });
}

/** A refusal is an answer that says why, so that a model can mend its call; what is our fault says no more than that. */
async function answer(
  deps: HeadraceFeatureDeps,
  tool: Pick<McpTool, "name" | "permission">,
  call: ToolCall,
  work: () => Promise<CallToolResult>,
): Promise<CallToolResult> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof McpError) throw error;
    if (error instanceof AppError && error.entry.status < 500) {
      await auditRefusal(deps, tool, call, error);
      return toErrorResult(error);
    }
    deps.logger.error(
      { err: toError(error), tool: tool.name, requestId: call.origin.requestId },
      "tool failed",
    );
    return textResult(`Internal error. Request ${call.origin.requestId}.`, true);
  }
}
