import type { Knex } from "knex";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import { ExternalDbConfigModel } from "../../../models/external-db-config-model.js";
import type { WorkflowGround } from "./workflow-ground.js";

const MOST_COMPONENTS = 50;
const MOST_DATABASES = 5;

/** The components of a workflow for a model to read: schemas and configuration. */
export function describeGround({ components }: WorkflowGround): JsonValue {
  return [...components.values()].slice(0, MOST_COMPONENTS).map((one) => ({
    uses: `mcp:${one.name}@${one.version}`,
    description: one.description,
    mcpType: one.mcpType,
    inputSchema: one.inputSchema,
    outputSchema: one.outputSchema,
    config: one.config,
    newest: one.newest?.version ?? null,
  }));
}

/** The stored scans of the databases that a workflow uses; none is scanned for it. */
export async function describeDatabases(knex: Knex, ground: WorkflowGround): Promise<JsonObject[]> {
  const names = new Set([...ground.components.values()].flatMap((one) => one.externalDbConfigs));
  for (const { plan } of ground.steps) {
    const connection = plan.inputs["connection"];
    if (plan.target.kind === "builtin" && plan.target.name === "sql" && connection && "value" in connection)
      names.add(String(connection.value));
  }
  return await readScans(knex, [...names]);
}

/** The stored scans of databases by name, as `table(column type, …)`. */
export async function readScans(knex: Knex, names: readonly string[]): Promise<JsonObject[]> {
  if (names.length === 0) return [];
  const rows = await ExternalDbConfigModel.query(knex)
    .select("name", "db_type", "scanned_schema")
    .whereIn("name", names.slice(0, MOST_DATABASES));
  return rows.map(({ name, dbType, scannedSchema }) => ({
    name,
    dbType,
    tables: tablesOf(scannedSchema),
  }));
}

function tablesOf(scanned: unknown): string[] {
  const { schemas = [] } = (scanned ?? {}) as {
    schemas?: { name: string; tables: { name: string; columns: { name: string; type: string }[] }[] }[];
  };
  return schemas
    .flatMap((schema) =>
      schema.tables.map(
        (table) =>
          `${schema.name}.${table.name}(${table.columns.map(({ name, type }) => `${name} ${type}`).join(", ")})`,
      ),
    )
    .slice(0, 300);
}
