import { existsSync } from "node:fs";
import { defineFileDatabase } from "../file-database.js";
import { findProgram } from "../query-process.js";

/** A file of SQLite as an external database, by the SQLite that is in Python. */
export const sqliteDefinition = defineFileDatabase({
  dbType: "sqlite",
  label: "SQLite",
  findProgram({ python }) {
    const script = findProgram("sqlite", "query.py");
    return {
      command: python ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3"),
      args: ["-I", "-S", script],
      ownPaths: [script],
    };
  },
});
