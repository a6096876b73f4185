import type { BigQuery } from "@google-cloud/bigquery";
import { groupTables, type ScannedColumn } from "../group-tables.js";
import { type DatabaseSchema, MAX_SCHEMA_COLUMNS } from "../types.js";
import type { BigqueryConfig } from "./definition.js";

interface Field {
  readonly name: string;
  readonly type: string;
  readonly mode?: string;
  readonly defaultValueExpression?: string;
}

interface TableMetadata {
  readonly type?: string;
  readonly numRows?: string;
  readonly schema?: { readonly fields?: readonly Field[] };
  readonly tableConstraints?: { readonly primaryKey?: { readonly columns?: readonly string[] } };
}

const KINDS: Readonly<Record<string, ScannedColumn["kind"]>> = {
  VIEW: "view",
  MATERIALIZED_VIEW: "materialized view",
  EXTERNAL: "foreign table",
};
/** Tables are asked for one by one: more at once would meet the API's rate limit. */
const AT_ONCE = 8;

/** Reads the datasets of a project, or the one that is configured. */
export async function scanBigquery(
  client: BigQuery,
  { dataset: only }: BigqueryConfig,
  signal: AbortSignal,
): Promise<DatabaseSchema> {
  const datasets = only === undefined ? (await client.getDatasets())[0] : [client.dataset(only)];
  const columns: ScannedColumn[] = [];
  for (const dataset of datasets) {
    const [tables] = await dataset.getTables();
    for (let from = 0; from < tables.length && columns.length <= MAX_SCHEMA_COLUMNS; from += AT_ONCE) {
      signal.throwIfAborted();
      const some = tables.slice(from, from + AT_ONCE);
      const metadata = await Promise.all(
        some.map(async (table) => (await table.getMetadata())[0] as TableMetadata),
      );
      metadata.forEach((one, at) => columns.push(...toColumns(dataset.id ?? "", some[at]?.id ?? "", one)));
    }
  }
  return groupTables(columns);
}

function toColumns(schema: string, table: string, metadata: TableMetadata): ScannedColumn[] {
  const keys = new Set(metadata.tableConstraints?.primaryKey?.columns ?? []);
  return (metadata.schema?.fields ?? []).map((field) => ({
    schema,
    table,
    kind: KINDS[metadata.type ?? ""] ?? "table",
    rowEstimate: metadata.numRows === undefined ? null : Number(metadata.numRows),
    name: field.name,
    type: field.mode === "REPEATED" ? `ARRAY<${field.type}>` : field.type,
    nullable: field.mode !== "REQUIRED",
    default: field.defaultValueExpression ?? null,
    primaryKey: keys.has(field.name),
  }));
}
