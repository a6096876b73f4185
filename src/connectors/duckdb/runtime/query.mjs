// Runs one request against a file of DuckDB and ends: JSON in on stdin, JSON out on stdout.
// DuckDB's SQL can read files, load code and call the network: all of that is switched off, and the switch locked.
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampValue,
} from "@duckdb/node-api";

const EXACT_DIGITS = 15;
const WRONG_PARAMS = /^(?:Invalid Input Error: )?Values were not provided|expected \d+ parameters/i;

let text = "";
for await (const chunk of process.stdin.setEncoding("utf8")) text += chunk;
const request = JSON.parse(text);
let reply;
try {
  reply = { value: await answer() };
} catch (error) {
  reply = describeFault(error);
}
process.stdout.write(JSON.stringify(reply), () => process.exit(0));

async function answer() {
  const instance = await DuckDBInstance.create(request.path, {
    access_mode: request.readOnly ? "READ_ONLY" : "READ_WRITE",
    enable_external_access: "false",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
    memory_limit: "512MB",
    threads: "2",
    lock_configuration: "true",
  }).catch((cause) => {
    throw Object.assign(new Error(firstLine(cause)), { fault: "connection" });
  });
  const connection = await instance.connect();
  const timer = setTimeout(() => connection.interrupt(), request.timeoutSeconds * 1000);
  try {
    if (request.operation === "test") return await test(connection);
    return request.operation === "query" ? await query(connection) : await scan(connection);
  } finally {
    clearTimeout(timer);
    connection.disconnectSync();
    instance.closeSync();
  }
}

async function test(connection) {
  const reader = await connection.runAndReadAll("SELECT version()");
  return { serverVersion: String(reader.getRows()[0][0]) };
}

async function query(connection) {
  const statements = await connection.extractStatements(request.sql);
  if (statements.count !== 1) throw new Error("One statement at a time");
  const prepared = await statements.prepare(0);
  if (prepared.parameterCount !== request.params.length) {
    const message = `The statement takes ${prepared.parameterCount} parameters, not ${request.params.length}`;
    throw Object.assign(new Error(message), { fault: "params" });
  }
  request.params.forEach((value, at) => bind(prepared, at + 1, value));
  const result = await prepared.stream();
  const columns = result.columnNames().map((name, at) => ({ name, type: String(result.columnType(at)) }));
  const rows = [];
  let size = 0;
  for await (const chunk of result.yieldRows()) {
    for (const row of chunk) {
      const cells = row.map(toCell);
      size += JSON.stringify(cells).length;
      if (rows.length >= request.maxRows || size > request.maxBytes)
        return { columns, rows, rowCount: rows.length, truncated: true };
      rows.push(cells);
    }
  }
  return { columns, rows, rowCount: rows.length, truncated: false };
}

function bind(prepared, at, value) {
  if (value === null) prepared.bindNull(at);
  else if (typeof value === "boolean") prepared.bindBoolean(at, value);
  else if (typeof value === "number") {
    if (Number.isSafeInteger(value)) prepared.bindBigInt(at, BigInt(value));
    else prepared.bindDouble(at, value);
  } else prepared.bindVarchar(at, typeof value === "string" ? value : JSON.stringify(value));
}

function toCell(value) {
  if (value === null || value === undefined || typeof value === "boolean" || typeof value === "string")
    return value ?? null;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof DuckDBDecimalValue) return toDecimal(value.toString());
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  if (value instanceof DuckDBTimestampValue) return value.toString().replace(" ", "T");
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toCell);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, member]) => [name, toCell(member)]));
  }
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: member }) => [toCell(key), toCell(member)]);
  return value.toString();
}

function toDecimal(digits) {
  return digits.replace(/[-.]/g, "").replace(/^0+/, "").length <= EXACT_DIGITS ? Number(digits) : digits;
}

async function scan(connection) {
  const reader = await connection.runAndReadAll(`
    SELECT c.schema_name, c.table_name, t.estimated_size, v.view_name IS NOT NULL, c.column_name, c.data_type,
      c.is_nullable, c.column_default,
      EXISTS (SELECT 1 FROM duckdb_constraints() k WHERE k.table_oid = c.table_oid AND k.schema_oid = c.schema_oid
              AND k.constraint_type = 'PRIMARY KEY' AND list_contains(k.constraint_column_names, c.column_name)),
      (SELECT any_value(c.schema_name || '.' || k.referenced_table || '.' || k.referenced_column_names[list_position(k.constraint_column_names, c.column_name)])
       FROM duckdb_constraints() k WHERE k.table_oid = c.table_oid AND k.schema_oid = c.schema_oid
         AND k.constraint_type = 'FOREIGN KEY' AND list_contains(k.constraint_column_names, c.column_name))
    FROM duckdb_columns() c
    LEFT JOIN duckdb_tables() t ON t.table_oid = c.table_oid AND t.schema_oid = c.schema_oid
    LEFT JOIN duckdb_views() v ON v.view_name = c.table_name AND v.schema_oid = c.schema_oid
    WHERE NOT c.internal AND c.database_name = current_database()
    ORDER BY c.schema_name, c.table_name, c.column_index LIMIT ${Number(request.maxColumns)}`);
  return reader
    .getRows()
    .map(([schema, table, size, isView, name, type, nullable, fallback, isKey, references]) => ({
      schema,
      table,
      kind: isView ? "view" : "table",
      rowEstimate: size === null ? null : Number(size),
      name,
      type,
      nullable,
      default: fallback === null ? null : String(fallback),
      primaryKey: isKey,
      references,
    }));
}

function describeFault(error) {
  const message = firstLine(error);
  if (/^INTERRUPT Error/i.test(message)) {
    return { fault: "timeout", message: `It took longer than ${request.timeoutSeconds} s and was ended` };
  }
  return { fault: error.fault ?? (WRONG_PARAMS.test(message) ? "params" : "statement"), message };
}

function firstLine(error) {
  return String(error?.message ?? error)
    .split("\n")[0]
    .slice(0, 1000);
}
