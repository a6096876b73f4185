import type { Duplex } from "node:stream";
import type { ZodType } from "zod";
import type { DbType } from "../contracts/api/external-db-configs.js";
import type { JsonObject, JsonValue } from "../core/json.js";
import type { FieldFault } from "../errors/app-error.js";
import type { OutgoingGuard } from "../outgoing/outgoing-guard.js";

/** What is encrypted at rest and never shown again. */
export interface DbSecrets {
  readonly password?: string | undefined;
  /** Key file of a service account, as JSON. */
  readonly credentials?: JsonObject | undefined;
}

/** One column of a result. Names are unique within it: the second `id` is `id_2`. */
export interface ResultColumn {
  readonly name: string;
  /** In the database's own words. */
  readonly type: string;
}

/** A statement to run. */
export interface QueryRequest {
  /** One statement. */
  readonly sql: string;
  /** Bound by the database, never put into the text. */
  readonly params: readonly JsonValue[];
  readonly maxRows: number;
  /** True: the database itself refuses whatever changes something. */
  readonly readOnly: boolean;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/** What a statement gave. Big integers and exact decimals that a number cannot hold are text, bytes are base64. */
export interface QueryResult {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly JsonObject[];
  /** Rows here; of a statement that gives none, the rows it changed. */
  readonly rowCount: number;
  /** There was more than `maxRows`, or than the bytes that a result may have. */
  readonly truncated: boolean;
}

/** One column of a table. */
export interface SchemaColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default?: string;
  readonly primaryKey: boolean;
  /** `schema.table.column` of its foreign key. */
  readonly references?: string;
}

/** One table or view. */
export interface SchemaTable {
  readonly name: string;
  readonly kind: "table" | "view" | "materialized view" | "foreign table";
  readonly columns: readonly SchemaColumn[];
  /** The database's own estimate; absent where it has none. */
  readonly rowEstimate?: number;
}

/** What is in a database: at most {@link MAX_SCHEMA_COLUMNS} columns. */
export interface DatabaseSchema {
  readonly schemas: readonly { readonly name: string; readonly tables: readonly SchemaTable[] }[];
  readonly truncated: boolean;
}

/** Columns that a scan reads at most. */
export const MAX_SCHEMA_COLUMNS = 50_000;

/** An open way to one external database. */
export interface Connector {
  /** Proves that the database answers. @throws ConnectorError */
  test(signal: AbortSignal): Promise<{ readonly serverVersion?: string }>;
  /** @throws ConnectorError; nothing of a statement that was ended goes on for long. */
  query(request: QueryRequest): Promise<QueryResult>;
  /** @throws ConnectorError */
  scanSchema(signal: AbortSignal): Promise<DatabaseSchema>;
  /**
   * A session of its own, signed in, for a program that speaks the database's protocol; where the type has that.
   * `readOnly` is how the session begins, and no wall: its program may ask for more, as far as the user's rights go.
   * @throws ConnectorError
   */
  openSession?(options: { readonly readOnly: boolean; readonly signal: AbortSignal }): Promise<WireSession>;
  close(): Promise<void>;
}

/** A connection to a server that waits for its first query. */
export interface WireSession {
  readonly stream: Duplex;
  /** What the server has said of itself. */
  readonly parameters: ReadonlyMap<string, string>;
  /** What cancels its queries. */
  readonly processId: number;
  readonly secretKey: number;
}

/** A program that reads one request from its standard input and writes one answer to its standard output. */
export interface QueryProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** Files and folders of its own that it needs. */
  readonly ownPaths: readonly string[];
}

/** A program as it is to be started. */
export interface WalledProgram {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it reads from its descriptors from 3 on. */
  readonly inputs: readonly Buffer[];
}

/** Puts walls around programs of embedded databases, whose SQL is code that strangers wrote. */
export interface QueryWalls {
  /** Inside, there are the system, the program's own files, and of `folder` what is no file of Headrace's. No network. */
  wrap(program: QueryProgram, folder: string): WalledProgram;
}

/** The world of connectors. */
export interface ConnectorGround {
  /** Judges hosts, on the addresses that are connected to. */
  readonly guard: OutgoingGuard;
  /** Files of databases lie in here. */
  readonly dataDir: string;
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  /** Opened at first use; undefined where the machine or the setting `SANDBOX` allows none. */
  readonly openWalls?: () => Promise<QueryWalls | undefined>;
}

/** One type of external database: its configuration's schema and how it is opened. */
export interface ConnectorDefinition<Config = JsonObject> {
  readonly dbType: DbType;
  readonly label: string;
  /** The members that this type takes, without secrets; strict, so unknown fields are faults. */
  readonly configSchema: ZodType<Config>;
  /** The secrets that it takes. */
  readonly secretNames: readonly (keyof DbSecrets)[];
  /** Members that say where secrets are sent: who changes one gives the secrets again. */
  readonly targetNames: readonly string[];
  /** Faults that only this installation can tell: hosts, files, kinds of credentials. */
  findFaults(config: Config, secrets: DbSecrets, ground: ConnectorGround): FieldFault[];
  /** Connects to nothing yet. */
  open(config: Config, secrets: DbSecrets, ground: ConnectorGround): Connector;
}

/** Why a database did not do what it was asked. */
export type ConnectorFault =
  /** It cannot be reached, or does not let us in. */
  | "connection"
  /** It refused the statement. */
  | "statement"
  /** It refused the parameters. */
  | "params"
  /** It took too long, or was told to stop. */
  | "timeout";

/** The one error of connectors. `message` is fit for users: it holds no secret. */
export class ConnectorError extends Error {
  readonly fault: ConnectorFault;

  constructor(fault: ConnectorFault, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "ConnectorError";
    this.fault = fault;
  }
}
