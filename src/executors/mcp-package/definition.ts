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

const MAX_ARGUMENTS = 100;

/** What the configuration of packages depends on. */
export interface McpPackageOptions {
  /** Judges the URLs that a configuration names. */
  readonly guard: Pick<OutgoingGuard, "findUrlFault">;
}

/** Configuration of a Model Context Protocol server. Saving one starts nothing. */
export function createMcpPackageConfigSchema({ guard }: McpPackageOptions) {
  const stdioSchema = z.strictObject({
    kind: z.literal("stdio"),
    command: textField(1_000).min(1, "must not be empty"),
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
    isRunnable: false,
  };
}
