import type { EventEmitter } from "node:events";
import type { FieldPacket, PoolConnection, ResultSetHeader } from "mysql2";
import mysql from "mysql2";
import type { JsonValue } from "../../core/json.js";
import { RowCollector, toDecimal, toJsonCell, toUniqueNames, toWholeNumber } from "../result-rows.js";
import { ConnectorError, type QueryRequest, type QueryResult } from "../types.js";
import { cutConnection } from "./cut-connection.js";

/** What the driver has and its types leave out. */
interface Statement {
  readonly columns: readonly unknown[];
  readonly parameters: readonly unknown[];
  execute(params: readonly unknown[]): EventEmitter;
  close(): void;
}

/** Runs a prepared statement and reads its first rows. A result that is cut costs the connection. */
export async function runPrepared(connection: PoolConnection, request: QueryRequest): Promise<QueryResult> {
  const { sql, params, maxRows, readOnly } = request;
  const statement = await prepare(connection, sql);
  if (readOnly && statement.columns.length === 0) {
    throw new ConnectorError("statement", "Under readOnly only a statement that gives rows can be run");
  }
  const wanted = statement.parameters.length;
  if (params.length !== wanted) {
    throw new ConnectorError("params", `The statement takes ${wanted} parameters, not ${params.length}`);
  }
  const command = statement.execute(params.map(toParam));
  const result = await untilLost(connection, collect(connection, command, maxRows));
  if (!result.truncated) statement.close();
  return result;
}

/** The driver tells a command of errors of the server; of one of the line it tells the connection alone. */
async function untilLost<T>(connection: PoolConnection, work: Promise<T>): Promise<T> {
  let onError: (error: Error) => void = () => undefined;
  const lost = new Promise<never>((_resolve, reject) => {
    onError = reject;
    connection.once("error", onError);
  });
  try {
    return await Promise.race([work, lost]);
  } finally {
    connection.off("error", onError);
  }
}

function prepare(connection: PoolConnection, sql: string): Promise<Statement> {
  return new Promise((resolve, reject) => {
    connection.prepare(sql, (error, statement) => {
      if (error) reject(error);
      else resolve(statement as unknown as Statement);
    });
  });
}

function toParam(value: JsonValue): unknown {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

function collect(connection: PoolConnection, command: EventEmitter, maxRows: number): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    let fields: FieldPacket[] = [];
    let names: string[] = [];
    let collector = new RowCollector([], maxRows);
    let changed = 0;
    const finish = () =>
      resolve({
        columns: names.map((name, at) => ({ name, type: typeName(fields[at]) })),
        rows: collector.rows,
        rowCount: fields.length === 0 ? changed : collector.rows.length,
        truncated: collector.isTruncated,
      });
    command.on("fields", (given: FieldPacket[] | undefined) => {
      fields = given ?? [];
      names = toUniqueNames(fields.map(({ name }) => name));
      collector = new RowCollector(names, maxRows);
    });
    command.on("result", (row: unknown[] | ResultSetHeader) => {
      if (!Array.isArray(row)) changed = row.affectedRows;
      else if (!collector.isTruncated && !collector.add(row.map((cell, at) => toCell(cell, fields[at])))) {
        cutConnection(connection);
        finish();
      }
    });
    command.once("error", reject);
    command.once("end", finish);
  });
}

function typeName(field: FieldPacket | undefined): string {
  const names = mysql.Types as unknown as Readonly<Record<number, string>>; // the driver has both ways
  return (names[field?.columnType ?? -1] ?? "unknown").toLowerCase();
}

function toCell(value: unknown, field: FieldPacket | undefined): JsonValue {
  if (typeof value !== "string") return toJsonCell(value);
  switch (typeName(field)) {
    case "longlong":
      return toWholeNumber(value);
    case "decimal":
    case "newdecimal":
      return toDecimal(value);
    case "datetime":
    case "timestamp":
      return value.replace(" ", "T");
    default:
      return value;
  }
}
