import { z } from "zod";
import {
  envField,
  memoryMbField,
  outgoingUrlField,
  textField,
  timeoutSecondsField,
} from "../config-fields.js";
import type { ExecutorDefinition } from "../types.js";

const MAX_ARGUMENTS = 100;
/** Headers that decide where a request goes or how it is framed. */
const FORBIDDEN_HEADERS = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "keep-alive",
  "expect",
  "proxy-authorization",
  "proxy-connection",
]);

const headersField = z
  .record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "must be the name of an HTTP header"),
    z
      .string()
      .max(8_192)
      .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must not contain control characters"),
  )
  .superRefine((headers, context) => {
    if (Object.keys(headers).length > 50)
      context.addIssue({ code: "custom", message: "must have at most 50 headers" });
    for (const name of Object.keys(headers)) {
      if (FORBIDDEN_HEADERS.has(name.toLowerCase())) {
        context.addIssue({ code: "custom", path: [name], message: "is set by the platform" });
      }
    }
  });

/** What the configuration of packages depends on. */
export interface McpPackageOptions {
  /** Whether the operator lets calls reach this private host (`ALLOWED_HOSTS_PRIVATE`). */
  isAllowedPrivateHost(hostname: string): boolean;
}

/** Configuration of a Model Context Protocol server. Saving one starts nothing. */
export function createMcpPackageConfigSchema({ isAllowedPrivateHost }: McpPackageOptions) {
  const stdioSchema = z.strictObject({
    kind: z.literal("stdio"),
    command: textField(1_000).min(1, "must not be empty"),
    args: z.array(textField(10_000)).max(MAX_ARGUMENTS).optional(),
    env: envField.optional(),
  });
  const httpSchema = z.strictObject({
    kind: z.literal("http"),
    url: outgoingUrlField({ protocols: ["https:", "http:"], isAllowedPrivateHost }),
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
