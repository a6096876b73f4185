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
import type { DuckdbConfig } from "./definition.js";

const TEST_SECONDS = 10;
const SCAN_SECONDS = 60;
const HEAP_MB = 512;

/** Opens a way to a file of DuckDB; each use is a process of its own, since its SQL can do all that its process can. */
export function openDuckdb(
  { databaseName }: DuckdbConfig,
  _secrets: DbSecrets,
  { dataDir }: ConnectorGround,
): Connector {
  const program = {
    command: process.execPath,
    args: [`--max-old-space-size=${HEAP_MB}`, findProgram("duckdb", "query.mjs")],
  };

  async function ask<Answer>(request: object, limits: QueryLimits): Promise<Answer> {
    const found = findDatabaseFile(dataDir, databaseName);
    if ("fault" in found) throw new ConnectorError("connection", `The file ${found.fault}`);
    return await askProcess<Answer>(program, { path: found.path, ...request }, limits);
  }

  return {
    test: async (signal) =>
      await ask(
        { operation: "test", readOnly: true, timeoutSeconds: TEST_SECONDS },
        { seconds: TEST_SECONDS, signal },
      ),
    async query({ sql, params, maxRows, readOnly, timeoutSeconds, signal }) {
      const request = { operation: "query", sql, params, maxRows, readOnly, timeoutSeconds };
      const limits = { seconds: timeoutSeconds, signal };
      const raw = await ask<RawResult>({ ...request, maxBytes: MAX_RESULT_BYTES }, limits);
      return toQueryResult(raw, maxRows);
    },
    async scanSchema(signal) {
      const request = {
        operation: "schema",
        readOnly: true,
        timeoutSeconds: SCAN_SECONDS,
        maxColumns: MAX_SCHEMA_COLUMNS + 1,
      };
      return groupTables(await ask<ScannedColumn[]>(request, { seconds: SCAN_SECONDS, signal }));
    },
    close: async () => undefined,
  };
}
