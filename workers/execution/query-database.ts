import { z } from "zod";
import { ConnectorError } from "../../src/connectors/types.js";
import { sqlInputShapes } from "../../src/contracts/builtin-inputs.js";
import { toSchemaFaults } from "../../src/contracts/schema-faults.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { ExecutionError } from "../../src/executors/types.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";

const inputsSchema = z.strictObject({
  connection: sqlInputShapes.connection,
  sql: sqlInputShapes.sql,
  params: sqlInputShapes.params.default([]),
  maxRows: sqlInputShapes.maxRows.default(1_000),
  readOnly: sqlInputShapes.readOnly.default(true),
});

/**
 * The step `builtin:sql`: runs one statement on an external database, and gives `{ columns, rows, rowCount, truncated }`.
 * @throws ExecutionError `invalid_input`, `upstream_error`, `timeout`; the signal's reason when it is aborted.
 */
export async function queryDatabase(
  connections: Pick<ConnectionManager, "find" | "use">,
  input: JsonObject,
  { signal, timeoutSeconds }: { readonly signal: AbortSignal; readonly timeoutSeconds: number },
): Promise<JsonValue> {
  const { connection: name, ...request } = parse(input);
  const row = await connections.find(name);
  if (!row) throw new ExecutionError("invalid_input", `There is no external database "${name}"`);
  try {
    const result = await connections.use(row, async (connector) =>
      connector.query({ ...request, timeoutSeconds, signal }),
    );
    return result as unknown as JsonValue;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof ConnectorError ? toExecutionError(error) : error;
  }
}

function parse(input: JsonObject) {
  const result = inputsSchema.safeParse(input);
  if (result.success) return result.data;
  const errors = toSchemaFaults(result.error.issues).map(({ path, message }) => ({ path, message }));
  const [first] = errors;
  const message = `Input ${first?.path || "/"} ${first?.message ?? ""}`;
  throw new ExecutionError("invalid_input", message, { details: { errors } });
}

/** A statement that was refused will be refused again; a database that is away may come back. */
function toExecutionError({ fault, message }: ConnectorError): ExecutionError {
  if (fault === "params") return new ExecutionError("invalid_input", message);
  if (fault === "timeout") return new ExecutionError("timeout", message);
  return new ExecutionError("upstream_error", message, { retryable: fault === "connection" });
}
