import { dirname } from "node:path";
import { z } from "zod";
import { findDatabaseFile } from "./database-file.js";
import { groupTables, type ScannedColumn } from "./group-tables.js";
import { plainText } from "./network-fields.js";
import { askProcess, type QueryLimits, withoutWalls } from "./query-process.js";
import { type RawResult, toQueryResult } from "./raw-result.js";
import { MAX_RESULT_BYTES } from "./result-rows.js";
import {
  type Connector,
  type ConnectorDefinition,
  ConnectorError,
  type ConnectorGround,
  MAX_SCHEMA_COLUMNS,
  type QueryProgram,
} from "./types.js";

const TEST_SECONDS = 10;
const SCAN_SECONDS = 60;

const configSchema = z.strictObject({
  databaseName: plainText(1_000).meta({ description: "A file inside the data folder." }),
});
type FileDatabaseConfig = z.infer<typeof configSchema>;

/** One kind of database that is a file, and the program that reads and writes it. */
export interface FileDatabaseKind {
  readonly dbType: "sqlite" | "duckdb";
  readonly label: string;
  /** A process of its own for each use: an embedded database can do all that its process can. */
  findProgram(ground: ConnectorGround): QueryProgram;
}

/** A file inside the data folder as an external database. */
export function defineFileDatabase(kind: FileDatabaseKind): ConnectorDefinition<FileDatabaseConfig> {
  return {
    dbType: kind.dbType,
    label: kind.label,
    configSchema,
    secretNames: [],
    targetNames: [],
    findFaults({ databaseName }, _secrets, { dataDir }) {
      const found = findDatabaseFile(dataDir, databaseName);
      return "fault" in found ? [{ path: "/databaseName", message: found.fault }] : [];
    },
    open: ({ databaseName }, _secrets, ground) => openFile(databaseName, kind.findProgram(ground), ground),
  };
}

function openFile(
  databaseName: string,
  program: QueryProgram,
  { dataDir, openWalls }: ConnectorGround,
): Connector {
  async function ask<Answer>(request: object, limits: QueryLimits): Promise<Answer> {
    // looked up at each use: what the name leads to may have changed
    const found = findDatabaseFile(dataDir, databaseName);
    if ("fault" in found) throw new ConnectorError("connection", `The file ${found.fault}`);
    const { seconds: timeoutSeconds } = limits;
    const walls = await openWalls?.();
    const walled = walls ? walls.wrap(program, dirname(found.path)) : withoutWalls(program);
    return await askProcess<Answer>(walled, { path: found.path, timeoutSeconds, ...request }, limits);
  }

  return {
    test: async (signal) =>
      await ask({ operation: "test", readOnly: true }, { seconds: TEST_SECONDS, signal }),
    async query({ sql, params, maxRows, readOnly, timeoutSeconds, signal }) {
      const request = { operation: "query", sql, params, maxRows, readOnly, maxBytes: MAX_RESULT_BYTES };
      const raw = await ask<RawResult>(request, { seconds: timeoutSeconds, signal });
      return toQueryResult(raw, maxRows);
    },
    async scanSchema(signal) {
      const request = { operation: "schema", readOnly: true, maxColumns: MAX_SCHEMA_COLUMNS + 1 };
      return groupTables(await ask<ScannedColumn[]>(request, { seconds: SCAN_SECONDS, signal }));
    },
    close: async () => undefined,
  };
}
