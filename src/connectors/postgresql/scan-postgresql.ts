import type pg from "pg";
import { groupTables, type ScannedColumn } from "../group-tables.js";
import { type DatabaseSchema, MAX_SCHEMA_COLUMNS } from "../types.js";

/** Every column that the user may see, with its table's kind and estimate, its keys and its default. */
const SCAN = `
  SELECT n.nspname AS schema, c.relname AS table, c.relkind AS kind,
    CASE WHEN c.reltuples >= 0 THEN c.reltuples::float8 END AS "rowEstimate",
    a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
    CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
    EXISTS (SELECT FROM pg_constraint k
            WHERE k.conrelid = c.oid AND k.contype = 'p' AND a.attnum = ANY (k.conkey)) AS "primaryKey",
    (SELECT fn.nspname || '.' || fc.relname || '.' || fa.attname
     FROM pg_constraint f
     JOIN pg_class fc ON fc.oid = f.confrelid
     JOIN pg_namespace fn ON fn.oid = fc.relnamespace
     JOIN pg_attribute fa ON fa.attrelid = fc.oid AND fa.attnum = f.confkey[array_position(f.conkey, a.attnum)]
     WHERE f.conrelid = c.oid AND f.contype = 'f' AND a.attnum = ANY (f.conkey)
     ORDER BY f.conname LIMIT 1) AS references
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND has_schema_privilege(n.oid, 'USAGE')
    AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
  ORDER BY n.nspname, c.relname, a.attnum
  LIMIT ${MAX_SCHEMA_COLUMNS + 1}`;

const KINDS: Readonly<Record<string, ScannedColumn["kind"]>> = {
  v: "view",
  m: "materialized view",
  f: "foreign table",
};

/** Reads what is in a PostgreSQL database, as far as the user may read it. */
export async function scanPostgresql(client: pg.PoolClient): Promise<DatabaseSchema> {
  const { rows } = await client.query<Omit<ScannedColumn, "kind"> & { kind: string }>(SCAN);
  return groupTables(rows.map((row) => ({ ...row, kind: KINDS[row.kind] ?? "table" })));
}
