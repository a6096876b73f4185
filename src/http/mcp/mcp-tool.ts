import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type {
  CallToolResult,
  ServerNotification,
  ServerRequest,
  ToolAnnotations,
} from "@modelcontextprotocol/sdk/types.js";
import type { z } from "zod";
import type { Permission } from "../../core/permissions.js";
import type { McpCall } from "./mcp-endpoint.js";

/** One call of a tool. */
export interface ToolCall extends McpCall {
  readonly extra: RequestHandlerExtra<ServerRequest, ServerNotification>;
}

/** A tool of Headrace's own; workflows are tools beside these. */
export interface McpTool<Input = unknown> {
  /** Has a `_`, which no workflow's name can have. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly permission: Permission;
  readonly annotations: ToolAnnotations;
  readonly input: z.ZodType<Input>;
  /** A value is answered as JSON; an answer of the protocol as it is. */
  call(input: Input, call: ToolCall): Promise<unknown>;
}

/** Writes a tool down with its types inferred, then forgets them so that a list can hold it. */
export function defineTool<Input>(tool: McpTool<Input>): McpTool {
  return tool as unknown as McpTool;
}

/** What only reads. */
export const READS: ToolAnnotations = { readOnlyHint: true, openWorldHint: false };

/** Marks an answer that is one of the protocol's already. */
export class ToolAnswer {
  constructor(readonly result: CallToolResult) {}
}
