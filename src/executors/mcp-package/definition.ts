import { z } from "zod";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import {
  envField,
  memoryMbField,
  outgoingUrlField,
  textField,
  timeoutSecondsField,
} from "../config-fields.js";
import { headersField } from "../header-fields.js";
import type { ExecutorDefinition } from "../types.js";
import { isAllowedCommand } from "./allowed-commands.js";

const MAX_ARGUMENTS = 100;

/** What the configuration of packages depends on. */
export interface McpPackageOptions {
  /** Judges the URLs that a configuration names. */
  readonly guard: Pick<OutgoingGuard, "findUrlFault">;
  /** The setting `MCP_COMMANDS`; absent: any command can be stored. */
  readonly commands?: readonly string[];
}

/** Configuration of a Model Context Protocol server. Saving one starts nothing. */
export function createMcpPackageConfigSchema({ guard, commands }: McpPackageOptions) {
  const stdioSchema = z.strictObject({
    kind: z.literal("stdio"),
    command: textField(1_000)
      .min(1, "must not be empty")
      .refine((command) => !commands || isAllowedCommand(command, commands), {
        error: `must be one of ${commands?.join(", ")} (MCP_COMMANDS)`,
      }),
    args: z.array(textField(10_000)).max(MAX_ARGUMENTS).optional(),
    env: envField.optional(),
  });
  const httpSchema = z.strictObject({
    kind: z.literal("http"),
    url: outgoingUrlField({ protocols: ["https:", "http:"], guard }),
    headers: headersField.optional(),
  });
  return z.strictObject({
    type: z.literal("mcp_package"),
    transport: z.discriminatedUnion("kind", [stdioSchema, httpSchema]),
    tool: textField(200).min(1).optional(),
    arguments: z.record(z.string(), z.json()).optional(),
    timeoutSeconds: timeoutSecondsField,
    memoryMb: memoryMbField,
    network: z.boolean().default(true).describe("Whether a server that is started here has a network."),
    idleTimeoutSeconds: z
      .int()
      .min(1)
      .max(86_400)
      .optional()
      .describe("How long a call may show neither progress nor an end; unset: as long as the step may take."),
    toolChanges: z
      .enum(["refuse", "allowDescriptions", "allowCompatible"])
      .default("refuse")
      .describe("What is done when the server's tools are no longer those of the version's contract."),
  });
}
export type McpPackageConfig = z.infer<ReturnType<typeof createMcpPackageConfigSchema>>;

/** Model Context Protocol servers as a component type. */
export function createMcpPackageDefinition(options: McpPackageOptions): ExecutorDefinition<McpPackageConfig> {
  return {
    type: "mcp_package",
    configSchema: createMcpPackageConfigSchema(options),
    label: "Model Context Protocol package",
    description: "Calls a tool of a Model Context Protocol server, started here or reached by HTTP.",
    copilotPrompt:
      "transport is { kind: stdio, command, args, env } or { kind: http, url, headers }. Name the package with its version. " +
      "Secrets are written ${secret:NAME} and named in the version's secrets. tool fixes one tool, arguments its arguments.",
  };
}
