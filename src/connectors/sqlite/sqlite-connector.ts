import { existsSync } from "node:fs";
import { findDatabaseFile } from "../database-file.js";
import { groupTables, type ScannedColumn } from "../group-tables.js";
import { askProcess, findProgram, type QueryLimits, type RawResult } from "../query-process.js";
import { toQueryResult } from "../raw-result.js";
import { MAX_RESULT_BYTES } from "../result-rows.js";
import {
  type Connector,
  ConnectorError,
  type ConnectorGround,
  type DbSecrets,
  MAX_SCHEMA_COLUMNS,
} from "../types.js";
import type { SqliteConfig } from "./definition.js";

const TEST_SECONDS = 10;
const SCAN_SECONDS = 60;

/** Opens a way to a file of SQLite; each use is a process of Python's own SQLite. */
export function openSqlite(
  { databaseName }: SqliteConfig,
  _secrets: DbSecrets,
  { dataDir, python }: ConnectorGround,
): Connector {
  const command = python ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
  const program = { command, args: ["-I", "-S", findProgram("sqlite", "query.py")] };

  async function ask<Answer>(request: object, limits: QueryLimits): Promise<Answer> {
    const found = findDatabaseFile(dataDir, databaseName);
    if ("fault" in found) throw new ConnectorError("connection", `The file ${found.fault}`);
    return await askProcess<Answer>(program, { path: found.path, ...request }, limits);
  }

  return {
    test: async (signal) => await ask({ operation: "test" }, { seconds: TEST_SECONDS, signal }),
    async query({ sql, params, maxRows, readOnly, timeoutSeconds, signal }) {
      const request = { operation: "query", sql, params, maxRows, readOnly, timeoutSeconds };
      const limits = { seconds: timeoutSeconds, signal };
      const raw = await ask<RawResult>({ ...request, maxBytes: MAX_RESULT_BYTES }, limits);
      return toQueryResult(raw, maxRows);
    },
    async scanSchema(signal) {
      const request = {
        operation: "schema",
        timeoutSeconds: SCAN_SECONDS,
        maxColumns: MAX_SCHEMA_COLUMNS + 1,
      };
      return groupTables(await ask<ScannedColumn[]>(request, { seconds: SCAN_SECONDS, signal }));
    },
    close: async () => undefined,
  };
}
