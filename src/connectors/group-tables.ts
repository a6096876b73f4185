import { type DatabaseSchema, MAX_SCHEMA_COLUMNS, type SchemaColumn, type SchemaTable } from "./types.js";

/** One column as a scan gives it: sorted by schema, table and place. Null stands for what there is not. */
export interface ScannedColumn {
  readonly schema: string;
  readonly table: string;
  readonly kind: SchemaTable["kind"];
  readonly rowEstimate?: number | null;
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default?: string | null;
  readonly primaryKey: boolean;
  readonly references?: string | null;
}

/** Puts the columns of a scan into their tables, and those into their schemas. */
export function groupTables(scanned: readonly ScannedColumn[]): DatabaseSchema {
  const schemas = new Map<string, Map<string, SchemaTable & { readonly columns: SchemaColumn[] }>>();
  for (const row of scanned.slice(0, MAX_SCHEMA_COLUMNS)) {
    const tables = schemas.get(row.schema) ?? new Map();
    schemas.set(row.schema, tables);
    const table = tables.get(row.table) ?? {
      name: row.table,
      kind: row.kind,
      columns: [],
      ...(typeof row.rowEstimate === "number" ? { rowEstimate: Math.round(row.rowEstimate) } : {}),
    };
    tables.set(row.table, table);
    table.columns.push({
      name: row.name,
      type: row.type,
      nullable: row.nullable,
      ...(typeof row.default === "string" ? { default: row.default } : {}),
      primaryKey: row.primaryKey,
      ...(typeof row.references === "string" ? { references: row.references } : {}),
    });
  }
  return {
    schemas: [...schemas].map(([name, tables]) => ({ name, tables: [...tables.values()] })),
    truncated: scanned.length > MAX_SCHEMA_COLUMNS,
  };
}
