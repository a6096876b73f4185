import { createRequire } from "node:module";
import { defineFileDatabase } from "../file-database.js";
import { findProgram } from "../query-process.js";

const HEAP_MB = 512;

/** A file of DuckDB as an external database. */
export const duckdbDefinition = defineFileDatabase({
  dbType: "duckdb",
  label: "DuckDB",
  findProgram() {
    const script = findProgram("duckdb", "query.mjs");
    return {
      command: process.execPath,
      args: [`--max-old-space-size=${HEAP_MB}`, script],
      ownPaths: [script, findPackages()],
    };
  },
});

/** `node_modules/@duckdb`: the library and its native parts, which lie side by side. */
function findPackages(): string {
  const main = createRequire(import.meta.url).resolve("@duckdb/node-api");
  return main.slice(0, main.lastIndexOf("/@duckdb/") + "/@duckdb".length);
}
