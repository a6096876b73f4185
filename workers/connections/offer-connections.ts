import { randomBytes } from "node:crypto";
import { chmod, constants, type FileHandle, mkdir, open, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ConnectorError } from "../../src/connectors/types.js";
import { queryShapes } from "../../src/contracts/api/external-db-configs.js";
import { toSchemaFaults } from "../../src/contracts/schema-faults.js";
import type { JsonObject } from "../../src/core/json.js";
import { AppError } from "../../src/errors/app-error.js";
import { loadRuntimeFile } from "../../src/executors/script/runtime-files.js";
import { ExecutionError } from "../../src/executors/types.js";
import type { ExternalDbConfigModel } from "../../src/models/external-db-config-model.js";
import type { ConnectionManager } from "../../src/services/external-dbs/connection-manager.js";
import { relayPostgresql } from "./postgresql-relay.js";

/** The databases of one execution, and where its code finds them. */
export interface Offer {
  readonly workdir: string;
  /** Those that the version names. */
  readonly names: readonly string[];
  readonly connections: Pick<ConnectionManager, "find" | "use">;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number;
  /** Whether the code's loopback is its own: a port there is then reached by nobody else. */
  readonly hasOwnLoopback: boolean;
}

/** See {@link offerConnections}. */
export interface OfferedConnections {
  close(): Promise<void>;
}

const FOLDER = ".headrace";
const CLIENTS = ["connections.py", "connections.cjs"];
const MOST_SOCKETS = 32;
const MOST_REQUEST_BYTES = 16 * 1024 * 1024;
const LINE_FEED = 10;

const requestSchema = z.strictObject({
  connection: z.string(),
  sql: queryShapes.sql,
  params: queryShapes.params.default([]),
  maxRows: queryShapes.maxRows.default(1_000),
  readOnly: queryShapes.readOnly.default(true),
  timeoutSeconds: queryShapes.timeoutSeconds.default(30),
});

/**
 * Opens ways to external databases for code in a sandbox: a socket in its work folder on which it asks for one statement
 * after the other, and for PostgreSQL one that drivers connect to. Both end here, in the worker, which has the
 * credentials; sockets of files need no network, so they are the same at every level of the sandbox. Where the code has a
 * loopback of its own, its side opens a port there, for drivers that know no other way.
 * @throws ExecutionError `invalid_input` when a database that the version names is not there any more.
 */
export async function offerConnections(offer: Offer): Promise<OfferedConnections> {
  const rows = await findRows(offer);
  await mkdir(join(offer.workdir, FOLDER), { recursive: true, mode: 0o755 });
  const folder = await openFolder(join(offer.workdir, FOLDER));
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const folders = [folder];
  const ended = new AbortController();
  const signal = AbortSignal.any([offer.signal, ended.signal]);
  const accept = (serve: (socket: Socket) => void): Server => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
      serve(socket);
    });
    server.maxConnections = MOST_SOCKETS;
    return server;
  };
  try {
    const server = accept((socket) => void answer(socket, { ...offer, signal }, rows));
    servers.push(await listen(server, folder, "connections.sock"));
    const sessions = new Map<string, string>();
    for (const row of rows.values()) {
      if (row.dbType !== "postgresql") continue;
      // a name that nobody has guessed: the code of an earlier attempt may have been here
      const name = `db-${randomBytes(6).toString("hex")}`;
      await mkdir(folder.path(name), { mode: 0o755 });
      const own = await openFolder(folder.path(name));
      folders.push(own);
      const relay = accept((socket) => void joinSession(socket, { ...offer, signal }, row));
      servers.push(await listen(relay, own, ".s.PGSQL.5432"));
      sessions.set(row.name, name);
    }
    await writeClients(folder, rows, sessions, offer.hasOwnLoopback);
  } catch (error) {
    await close();
    throw error;
  }

  async function close(): Promise<void> {
    ended.abort();
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
    for (const { handle } of folders) await handle.close();
  }
  return { close };
}

type Rows = ReadonlyMap<string, ExternalDbConfigModel>;

async function findRows({ names, connections }: Offer): Promise<Rows> {
  const rows = new Map<string, ExternalDbConfigModel>();
  for (const name of names) {
    const row = await connections.find(name);
    if (!row) throw new ExecutionError("invalid_input", `There is no external database "${name}"`);
    rows.set(name, row);
  }
  return rows;
}

/** A folder by its handle: whatever its name leads to later, and however long its path is. */
interface OpenFolder {
  readonly handle: FileHandle;
  path(name: string): string;
}

/** Code that ran here before may have put a link in its place: none is followed. */
async function openFolder(path: string): Promise<OpenFolder> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  return { handle, path: (name) => `/proc/self/fd/${handle.fd}/${name}` };
}

/** What the code's own side is, and which databases there are: nothing of it is secret. */
async function writeClients(
  folder: OpenFolder,
  rows: Rows,
  sessions: ReadonlyMap<string, string>,
  loopback: boolean,
): Promise<void> {
  const about = Object.fromEntries(
    [...rows.values()].map((row): [string, JsonObject] => {
      const session = sessions.get(row.name);
      const database = String(row.config["databaseName"] ?? "");
      const more = session === undefined ? undefined : { session: { folder: session, database, loopback } };
      return [row.name, { dbType: row.dbType, ...more }];
    }),
  );
  const texts = await Promise.all(CLIENTS.map((name) => loadRuntimeFile(name, import.meta.url)));
  const files = [
    ...CLIENTS.map((name, at) => [name, texts[at] ?? ""] as const),
    ["connections.json", JSON.stringify(about)] as const,
  ];
  for (const [name, text] of files) {
    await rm(folder.path(name), { force: true });
    await writeFile(folder.path(name), text, { mode: 0o644, flag: "wx" });
  }
}

async function listen(server: Server, folder: OpenFolder, name: string): Promise<Server> {
  const path = folder.path(name);
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  // its step may run as another user; nobody else has a way into the work folder
  await chmod(path, 0o666);
  return server;
}

async function answer(socket: Socket, offer: Offer, rows: Rows): Promise<void> {
  try {
    const line = await readLine(socket);
    if (line === undefined) return void socket.destroy();
    const value = await query(line, offer, rows);
    socket.end(`${JSON.stringify({ value })}\n`);
  } catch (error) {
    socket.end(`${JSON.stringify(toAnswer(error))}\n`);
  }
}

async function query(line: string, { connections, signal, timeoutSeconds: most }: Offer, rows: Rows) {
  const { connection: name, ...request } = requestSchema.parse(JSON.parse(line));
  const row = rows.get(name);
  if (!row) throw new ConnectorError("statement", `This version names no external database "${name}"`);
  const timeoutSeconds = Math.min(request.timeoutSeconds, most);
  return await connections.use(row, async (connector) =>
    connector.query({ ...request, timeoutSeconds, signal }),
  );
}

function toAnswer(error: unknown): JsonObject {
  if (error instanceof ConnectorError) return { error: error.message, fault: error.fault };
  if (error instanceof AppError) return { error: error.detail, fault: "connection" };
  if (error instanceof SyntaxError) return { error: "That is no request", fault: "statement" };
  if (!(error instanceof z.ZodError))
    return { error: "The database could not be asked", fault: "connection" };
  const [first] = toSchemaFaults(error.issues);
  return { error: `${first?.path ?? ""} ${first?.message ?? ""}`.trim(), fault: "params" };
}

async function readLine(socket: Socket): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MOST_REQUEST_BYTES) throw new ConnectorError("params", "The request is too large");
    if (chunk.includes(LINE_FEED)) return Buffer.concat(chunks).toString("utf8");
  }
  return undefined;
}

async function joinSession(socket: Socket, { connections, signal }: Offer, row: ExternalDbConfigModel) {
  await connections
    .use(row, async (connector) =>
      relayPostgresql(socket, {
        openSession: async ({ readOnly }) => {
          if (!connector.openSession) throw new ConnectorError("connection", "It takes no sessions");
          return await connector.openSession({ readOnly, signal });
        },
      }),
    )
    .catch(() => socket.destroy());
}
