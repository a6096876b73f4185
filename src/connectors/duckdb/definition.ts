import { defineFileDatabase } from "../file-database.js";
import { findProgram } from "../query-process.js";

const HEAP_MB = 512;

/** A file of DuckDB as an external database. */
export const duckdbDefinition = defineFileDatabase({
  dbType: "duckdb",
  label: "DuckDB",
  findProgram: () => ({
    command: process.execPath,
    args: [`--max-old-space-size=${HEAP_MB}`, findProgram("duckdb", "query.mjs")],
  }),
});
