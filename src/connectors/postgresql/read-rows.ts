import type { EventEmitter } from "node:events";
import type pg from "pg";
import Cursor from "pg-cursor";
import type { JsonValue } from "../../core/json.js";
import { RowCollector, toJsonCell, toUniqueNames } from "../result-rows.js";
import { ConnectorError, type QueryRequest, type QueryResult } from "../types.js";
import { jsonTypes } from "./postgresql-types.js";

interface Field {
  readonly name: string;
  readonly dataTypeID: number;
  readonly dataTypeModifier: number;
}

const BATCH_ROWS = 500;

/** Runs a statement by the extended protocol, which takes one statement alone, and reads its first rows. */
export async function readRows(client: pg.PoolClient, request: QueryRequest): Promise<QueryResult> {
  const { sql, params, maxRows, readOnly } = request;
  const { connection } = client as unknown as { connection: EventEmitter };
  const cursor = new Cursor<JsonValue[]>(sql, [...params], { rowMode: "array", types: jsonTypes } as never);
  const described = describe(connection, cursor);
  client.query(cursor);
  try {
    const fields = await described;
    if (fields.length === 0 && readOnly) {
      throw new ConnectorError("statement", "Under readOnly only a statement that gives rows can be run");
    }
    const names = toUniqueNames(fields.map(({ name }) => name));
    const collector = new RowCollector(names, maxRows);
    const changed = await readInto(cursor, collector);
    await cursor.close();
    const types = await readTypeNames(client, fields);
    return {
      columns: names.map((name, at) => ({ name, type: types[at] ?? "unknown" })),
      rows: collector.rows,
      rowCount: fields.length === 0 ? changed : collector.rows.length,
      truncated: collector.isTruncated,
    };
  } catch (error) {
    if (error instanceof ConnectorError) await cursor.close();
    throw error;
  }
}

/** The columns that the statement will give, before it runs; none for one that gives no rows. */
function describe(connection: EventEmitter, cursor: Cursor): Promise<readonly Field[]> {
  return new Promise((resolve, reject) => {
    const onRows = (message: { fields: readonly Field[] }) => settle(() => resolve(message.fields));
    const onNone = () => settle(() => resolve([]));
    const onError = (error: Error) => settle(() => reject(error));
    function settle(done: () => void): void {
      connection.off("rowDescription", onRows).off("noData", onNone).off("end", onEnd);
      done();
    }
    const onEnd = () => onError(new Error("Connection terminated"));
    connection.on("rowDescription", onRows).on("noData", onNone).on("end", onEnd);
    (cursor as unknown as EventEmitter).on("error", onError);
  });
}

/** @returns the rows that the statement changed. */
async function readInto(cursor: Cursor<JsonValue[]>, collector: RowCollector): Promise<number> {
  for (;;) {
    const { rows, count } = await readBatch(cursor);
    for (const row of rows) if (!collector.add(row.map(toJsonCell))) return count;
    if (rows.length < BATCH_ROWS) return count;
  }
}

function readBatch(cursor: Cursor<JsonValue[]>): Promise<{ rows: JsonValue[][]; count: number }> {
  return new Promise((resolve, reject) => {
    cursor.read(BATCH_ROWS, (error, rows, result) => {
      if (error) reject(error);
      else resolve({ rows, count: result.rowCount ?? 0 });
    });
  });
}

async function readTypeNames(client: pg.PoolClient, fields: readonly Field[]): Promise<string[]> {
  if (fields.length === 0) return [];
  const { rows } = await client.query<{ name: string }>(
    `SELECT format_type(oid, modifier) AS name
     FROM unnest($1::oid[], $2::int[]) WITH ORDINALITY AS field (oid, modifier, at) ORDER BY at`,
    [fields.map((field) => field.dataTypeID), fields.map((field) => field.dataTypeModifier)],
  );
  return rows.map(({ name }) => name);
}
