import type { Duplex } from "node:stream";
import { CONNECT_SECONDS, withDeadline } from "../deadline.js";
import { resolveAddress, toTlsOptions } from "../network-fields.js";
import { scrubMessage } from "../scrub.js";
import { ConnectorError, type ConnectorGround, type DbSecrets, type WireSession } from "../types.js";
import { CarefulClient } from "./careful-client.js";
import type { PostgresqlConfig } from "./definition.js";

/** What the driver has and its types leave out. */
interface DriverParts {
  readonly connection: {
    readonly stream: Duplex;
    on(
      event: "parameterStatus",
      listener: (message: { parameterName: string; parameterValue: string }) => void,
    ): void;
  };
  readonly processID: number;
  readonly secretKey: number;
}

/**
 * Signs in to the server and hands the connection over as it is then: ready for a first query. Whoever speaks on it has
 * the rights of the configured user, and never sees the password.
 * @throws ConnectorError
 */
export async function openPostgresqlSession(
  { host, port, databaseName, username, ssl, options }: PostgresqlConfig,
  secrets: DbSecrets,
  { guard }: ConnectorGround,
  { readOnly, signal }: { readonly readOnly: boolean; readonly signal: AbortSignal },
): Promise<WireSession> {
  const searchPath = options?.search_path;
  const settings = [
    `-c default_transaction_read_only=${readOnly ? "on" : "off"}`,
    ...(searchPath === undefined ? [] : [`-c search_path=${searchPath.replace(/[\\ ]/g, "\\$&")}`]),
  ];
  const client = new CarefulClient({
    host: await resolveAddress(host, port, guard),
    port,
    database: databaseName,
    user: username,
    password: () => secrets.password ?? "",
    ssl: toTlsOptions(ssl, host) ?? false,
    application_name: options?.application_name ?? "headrace-connection",
    options: settings.join(" "),
  });
  const parts = client as unknown as DriverParts;
  const parameters = new Map<string, string>();
  parts.connection.on("parameterStatus", ({ parameterName, parameterValue }) =>
    parameters.set(parameterName, parameterValue),
  );
  const stop = () => void parts.connection.stream.destroy();
  try {
    await withDeadline({ seconds: CONNECT_SECONDS, signal, stop }, client.connect());
  } catch (error) {
    stop();
    if (error instanceof ConnectorError) throw error;
    throw new ConnectorError("connection", scrubMessage((error as Error).message, secrets), error);
  }
  const { stream } = parts.connection;
  // from here on the driver must not read what is not meant for it
  for (const event of ["data", "end", "error", "close"]) stream.removeAllListeners(event);
  stream.on("error", () => undefined); // its close says enough
  stream.pause();
  return { stream, parameters, processId: parts.processID, secretKey: parts.secretKey };
}
