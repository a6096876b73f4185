// External databases, asked by way of the worker: no driver and no password is needed here. The worker holds each
// statement to the limits and, unless writing is asked for, to reading.
"use strict";
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");

// The kernel's limit of 108 bytes, less a socket's own name.
const LONGEST_FOLDER = 80;

class DatabaseError extends Error {
  /** @param fault connection, statement, params or timeout */
  constructor(message, fault = "connection") {
    super(message);
    this.name = "DatabaseError";
    this.fault = fault;
  }
}

/** The same folder by a path that fits into a socket's address. */
function shorten(folder) {
  if (Buffer.byteLength(folder) <= LONGEST_FOLDER) return folder;
  const link = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "hr")), "c");
  fs.symlinkSync(folder, link);
  return link;
}

function ask(request) {
  return new Promise((resolve, reject) => {
    const folder = fs.openSync(__dirname, "r");
    const socket = net.connect(`/proc/self/fd/${folder}/connections.sock`);
    const chunks = [];
    socket.once("connect", () => {
      fs.closeSync(folder);
      socket.write(`${JSON.stringify(request)}\n`);
    });
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.once("error", (error) => reject(new DatabaseError(`Headrace did not answer: ${error.message}`)));
    socket.once("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      if (text === "") return reject(new DatabaseError("Headrace did not answer"));
      const answer = JSON.parse(text);
      if (answer.error === undefined) resolve(answer.value);
      else reject(new DatabaseError(answer.error, answer.fault));
    });
  });
}

const ports = new Map();

/** A port of this step's own loopback that leads to a session's socket; it is there as long as this process. */
function forward(folder) {
  if (!ports.has(folder)) ports.set(folder, listen(path.join(shorten(folder), ".s.PGSQL.5432")));
  return ports.get(folder);
}

function listen(target) {
  const listener = net.createServer((client) => {
    const server = net.connect(target);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ])
      one.on("error", () => other.destroy()).on("close", () => other.destroy());
    client.pipe(server).pipe(client);
  });
  // it must not keep a program alive that is done
  listener.unref();
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", () => resolve(listener.address().port));
  });
}

/** An external database by its name. */
function connection(name) {
  const known = JSON.parse(fs.readFileSync(path.join(__dirname, "connections.json"), "utf8"));
  const about = Object.hasOwn(known, name) ? known[name] : undefined;
  if (about === undefined)
    throw new Error(`This version names no external database "${name}" in its externalDbConfigs`);

  /** Runs one statement, which may only read unless readOnly is false. Gives { columns, rows, rowCount, truncated }. */
  async function query(sql, params = [], { maxRows = 1_000, timeoutSeconds = 30, readOnly = true } = {}) {
    return await ask({ connection: name, sql, params, maxRows, timeoutSeconds, readOnly });
  }

  return {
    name,
    dbType: about.dbType,
    query,
    /** Runs one statement that may write. Gives how many rows it changed. */
    execute: async (sql, params = [], options = {}) =>
      (await query(sql, params, { ...options, readOnly: false })).rowCount,
    /** What a driver connects with, pg for one: a socket of this step's. It holds no password. */
    dsnFor({ readOnly = true } = {}) {
      if (about.session === undefined)
        throw new DatabaseError(`${about.dbType} has no dsn here: use query() and execute()`, "statement");
      const folder = shorten(path.join(__dirname, about.session.folder));
      const user = readOnly ? "reader" : "writer";
      return `postgresql://${user}@/${encodeURIComponent(about.session.database)}?host=${encodeURIComponent(folder)}`;
    },
    get dsn() {
      return this.dsnFor();
    },
    database: about.session?.database,
    /**
     * { host, port } for drivers that take no socket: a port of this step's own loopback, which no other program can
     * reach. They sign in as "reader" or "writer", without a password.
     */
    async address() {
      if (!about.session?.loopback)
        throw new DatabaseError(
          `${about.dbType} has no port here: use dsn, or query() and execute()`,
          "statement",
        );
      return { host: "127.0.0.1", port: await forward(path.join(__dirname, about.session.folder)) };
    },
  };
}

module.exports = { connection, DatabaseError };
