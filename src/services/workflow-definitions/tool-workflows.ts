import type { Knex } from "knex";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { parsePointer } from "../../core/json-pointer.js";
import { type InputMapping, lastSteps, type RunPlan } from "../../core/plan.js";

/** A workflow that is offered as a tool: published, and its published version says `tool: true`. */
export interface ToolWorkflow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  /** JSON Schema of the run's input; always of an object. */
  readonly inputSchema: JsonObject;
  /** Whether the input itself is the member `input` of what the schema describes. */
  readonly isInputWrapped: boolean;
  /** JSON Schema of the run's output, as far as the components' schemas tell. */
  readonly outputSchema: JsonObject;
}

interface ToolRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  readonly inputs: JsonValue | null;
  readonly plan: RunPlan;
}

const SELECT = `SELECT workflow.id, workflow.name, workflow.description, version.version,
    version.definition -> 'inputs' AS inputs, version.plan
  FROM workflow_versions AS version
  JOIN workflow_definitions AS workflow
    ON workflow.id = version.workflow_definition_id AND workflow.published_version = version.version
  WHERE version.definition -> 'tool' = 'true'::jsonb`;

/** One page of them by name, after a name. */
export async function listToolWorkflows(knex: Knex, after: string, limit: number): Promise<ToolWorkflow[]> {
  const { rows } = await knex.raw<{ rows: ToolRow[] }>(
    `${SELECT} AND workflow.name > ? ORDER BY workflow.name LIMIT ?`,
    [after, limit],
  );
  return await present(knex, rows);
}

/** The one with this name; undefined: there is none, or it is no tool, or not published. */
export async function findToolWorkflow(knex: Knex, name: string): Promise<ToolWorkflow | undefined> {
  const { rows } = await knex.raw<{ rows: ToolRow[] }>(`${SELECT} AND workflow.name = ?`, [name]);
  return (await present(knex, rows))[0];
}

async function present(knex: Knex, rows: readonly ToolRow[]): Promise<ToolWorkflow[]> {
  const ids = rows.flatMap(({ plan }) =>
    plan.steps.flatMap(({ target }) => (target.kind === "mcp" ? [target.mcpVersionId] : [])),
  );
  const schemas = (await knex("mcp_versions")
    .select("id", "output_schema")
    .whereIn("id", [...new Set(ids)])) as { id: string; output_schema: JsonObject | null }[];
  const schemaOf = new Map(schemas.map((row) => [row.id, row.output_schema]));
  return rows.map(({ plan, inputs, ...row }) => ({
    ...row,
    ...describeInput(inputs),
    outputSchema: describeOutput(plan, schemaOf),
  }));
}

/** A tool takes an object; what a workflow takes may be anything. */
function describeInput(inputs: JsonValue | null): Pick<ToolWorkflow, "inputSchema" | "isInputWrapped"> {
  if (!isJsonObject(inputs)) return { inputSchema: { type: "object" }, isInputWrapped: false };
  if (inputs["type"] === undefined || inputs["type"] === "object") {
    return { inputSchema: { ...inputs, type: "object" }, isInputWrapped: false };
  }
  return {
    inputSchema: { type: "object", properties: { input: inputs }, required: ["input"] },
    isInputWrapped: true,
  };
}

/** Members may be missing or null: a step may have been skipped. */
function describeOutput(plan: RunPlan, schemaOf: ReadonlyMap<string, JsonObject | null>): JsonObject {
  const outputs: [string, InputMapping][] = plan.outputs
    ? Object.entries(plan.outputs)
    : lastSteps(plan).map(({ id }) => [id, { step: id, output: "" }]);
  const properties = outputs.map(([name, mapping]) => {
    const schema = "step" in mapping ? describeStepOutput(plan, mapping, schemaOf) : undefined;
    const described: JsonObject = schema ? { anyOf: [schema, { type: "null" }] } : {};
    return [name, described] as const;
  });
  return { type: "object", properties: Object.fromEntries(properties) };
}

function describeStepOutput(
  plan: RunPlan,
  { step, output }: { readonly step: string; readonly output: string },
  schemaOf: ReadonlyMap<string, JsonObject | null>,
): JsonObject | undefined {
  const source = plan.steps.find(({ id }) => id === step);
  if (source?.target.kind !== "mcp" || source.forEach) return undefined;
  let schema: JsonValue | undefined = schemaOf.get(source.target.mcpVersionId) ?? undefined;
  for (const token of parsePointer(output) ?? []) {
    if (!isJsonObject(schema)) return undefined;
    const properties: JsonValue | undefined = schema["properties"];
    schema = isJsonObject(properties) && Object.hasOwn(properties, token) ? properties[token] : undefined;
  }
  // a reference points into the schema that it stands in, and that one stays behind
  return isJsonObject(schema) && !JSON.stringify(schema).includes('"$ref"') ? schema : undefined;
}
