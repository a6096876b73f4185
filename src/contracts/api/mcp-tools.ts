import { z } from "zod";
import { idSchema, instantSchema } from "./common.js";

const changeSchema = z.object({
  tool: z.string(),
  kind: z.enum(["description", "compatible", "breaking"]),
  path: z.string().describe("JSON Pointer into the tool."),
  message: z.string(),
});
const diffFields = {
  kind: z.enum(["none", "description", "compatible", "breaking"]).describe("That of the gravest change."),
  changes: z.array(changeSchema).describe("At most 200."),
};

const jsonObjectSchema = z.record(z.string(), z.unknown());

/** What may be asked beside the tools. */
export const listToolsQuerySchema = z.strictObject({
  compareWith: z
    .string()
    .optional()
    .describe(
      "Id of a version whose tools these are compared with; default: the newest version before this one whose tools are known. Its server is started too if they are not.",
    ),
});
export type ListToolsQuery = z.infer<typeof listToolsQuerySchema>;

/** The tools of a Model Context Protocol package. */
export const mcpToolsSchema = z
  .object({
    tools: z.array(
      z.object({
        name: z.string(),
        description: z.string().optional(),
        inputSchema: jsonObjectSchema,
        outputSchema: jsonObjectSchema.optional(),
      }),
    ),
    serverInfo: z.object({ name: z.string(), version: z.string() }),
    package: z
      .object({ registry: z.enum(["npm", "pypi"]), name: z.string(), version: z.string() })
      .nullable()
      .describe("The package that was started, as it was resolved."),
    contract: z
      .object({ hash: z.string(), at: instantSchema })
      .describe("Of the tools as they were when they were first listed or run: each run is held to them."),
    drift: z
      .object(diffFields)
      .nullable()
      .describe("How the tools differ from the contract; null: they do not."),
    comparison: z
      .object({ versionId: idSchema, version: z.string(), ...diffFields })
      .nullable()
      .describe("How the tools differ from those of another version."),
  })
  .meta({ id: "McpTools" });
export type McpTools = z.infer<typeof mcpToolsSchema>;
