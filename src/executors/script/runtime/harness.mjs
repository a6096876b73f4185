// Runs a TypeScript script for Headrace: calls its main or default export with the inputs, and reports over
// descriptor 3. The job comes on stdin, to its end: {"env", "files", "maxOutputBytes"}. Messages are JSON, one a line;
// user output stays on stdout and stderr.
import { existsSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const CHANNEL = 3;
const MAX_DEPTH = 200;
const MAX_TRACEBACK = 16_384;
const workdir = process.cwd();
const scriptUrl = new URL("../script.mjs", import.meta.url);
let limit = 0;
// Taken before any user code runs, so that a script that patches globals still reports what it means.
const { stringify } = JSON;
const realExit = process.exit.bind(process);
let isSettled = false;

function send(message) {
  const data = Buffer.from(`${stringify(message)}\n`);
  let at = 0;
  while (at < data.length) {
    try {
      at += writeSync(CHANNEL, data, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function settle(message) {
  if (isSettled) return;
  isSettled = true;
  send(message);
}

/** Waits for the job; nothing else happens in this process meanwhile. */
function takeJob() {
  const text = readFileSync(0, "utf8");
  if (text === "") realExit(0); // dismissed without a job
  const job = JSON.parse(text);
  Object.assign(process.env, job.env);
  limit = job.maxOutputBytes;
  for (const [name, content] of Object.entries(job.files)) writeFileSync(name, content);
}

function readInputs() {
  const path = process.env.MCP_INPUTS_FILE;
  return JSON.parse(path === undefined ? process.env.MCP_INPUTS : readFileSync(path, "utf8"));
}

const pointer = (path) =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

class InvalidOutput extends Error {
  constructor(path, why) {
    super(why);
    this.path = pointer(path);
  }
}

/** Refuses what JSON.stringify would drop or change without a word. */
function check(value, path, seen) {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new InvalidOutput(path, `is ${value}, which JSON does not have`);
    return;
  }
  if (typeof value !== "object")
    throw new InvalidOutput(path, `is a ${typeof value}, which JSON does not have`);
  if (typeof value.toJSON === "function") {
    check(value.toJSON(path.at(-1) ?? ""), path, seen);
    return;
  }
  if (value instanceof Map || value instanceof Set || value instanceof WeakMap || value instanceof Promise) {
    throw new InvalidOutput(path, `is a ${value.constructor.name}, which JSON does not have`);
  }
  if (seen.has(value)) throw new InvalidOutput(path, "contains itself");
  if (path.length >= MAX_DEPTH) throw new InvalidOutput([], `is nested deeper than ${MAX_DEPTH} levels`);
  seen.add(value);
  if (Array.isArray(value)) {
    for (const [index, member] of value.entries()) check(member, [...path, index], seen);
  } else {
    for (const key of Object.keys(value)) {
      // An absent optional member is no fault: JSON leaves it out, as every TypeScript author expects.
      if (value[key] !== undefined) check(value[key], [...path, key], seen);
    }
  }
  seen.delete(value);
}

function encode(value) {
  if (value === undefined) return null;
  check(value, [], new Set());
  const size = Buffer.byteLength(stringify(value));
  if (size > limit) throw new InvalidOutput([], `has ${size} bytes, more than the limit of ${limit}`);
  return value;
}

/** The stack as the author knows it: their file and lines, without frames of Node.js and of this file. */
function cleanStack(error) {
  const stack = String(error.stack ?? error);
  return stack
    .split("\n")
    .filter((line) => !/^\s+at .*(node:|harness\.mjs)/.test(line))
    .join("\n")
    .replaceAll(new URL("./", scriptUrl).href, "")
    .replaceAll(`${workdir}/`, "")
    .slice(0, MAX_TRACEBACK);
}

function fail(error) {
  if (error instanceof InvalidOutput) {
    const where = error.path ? ` at ${error.path}` : "";
    settle({
      type: "error",
      code: "invalid_output",
      message: `the output${where} ${error.message}`,
      path: error.path,
    });
  } else {
    const isError = error instanceof Error;
    const message = isError ? `${error.name}: ${error.message}` : `thrown: ${describe(error)}`;
    settle({
      type: "error",
      code: "script_error",
      message,
      ...(isError && { traceback: cleanStack(error) }),
    });
  }
  realExit(1);
}

function describe(thrown) {
  try {
    return typeof thrown === "object" ? (stringify(thrown) ?? String(thrown)) : String(thrown);
  } catch {
    return Object.prototype.toString.call(thrown);
  }
}

function progress(value, message) {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new TypeError("progress() takes a finite number");
  send({ type: "progress", value, ...(message !== undefined && { message: String(message) }) });
}

/** What the worker offers of external databases lies beside this file, where it offers any. */
function connection(name) {
  const path = `${workdir}/.headrace/connections.cjs`;
  if (!existsSync(path))
    throw new Error(`This version names no external database "${name}" in its externalDbConfigs`);
  return createRequire(scriptUrl)(path).connection(name);
}

/**
 * Where the sandbox's proxy is the only way out, takes fetch and the agents of http and https there: before version 22,
 * Node.js knows no proxy. Loaded only where it is needed, since it costs a start some milliseconds.
 */
async function goThroughProxy() {
  const { HTTPS_PROXY, HEADRACE_EXECUTION } = process.env;
  if (!HTTPS_PROXY || !HEADRACE_EXECUTION || process.allowedNodeEnvironmentFlags.has("--use-env-proxy"))
    return;
  const proxy = new URL(HTTPS_PROXY);
  const [http, https, tls] = await Promise.all([
    import("node:http"),
    import("node:https"),
    import("node:tls"),
  ]);
  const isOwn = (host) => ["localhost", "127.0.0.1", "::1", "[::1]"].includes(host);
  const tunnel = (host, port, done) => {
    const path = `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
    const asked = http.request({
      host: proxy.hostname,
      port: proxy.port,
      method: "CONNECT",
      path,
      agent: false,
    });
    asked.once("connect", (answer, socket) => {
      if (answer.statusCode === 200) return done(null, socket);
      socket.destroy();
      done(new Error(`The sandbox's proxy refused ${path} (${answer.statusCode})`));
    });
    asked.once("error", done);
    asked.end();
  };
  const secure = (options, done) => (error, socket) => {
    if (error) return done(error);
    const host = options.servername || options.host;
    const wrapped = tls.connect({ ...options, socket, servername: /^[\d.]+$|:/.test(host) ? "" : host });
    wrapped.once("secureConnect", () => done(null, wrapped)).once("error", done);
  };
  for (const [agent, port] of [
    [http.globalAgent, 80],
    [https.globalAgent, 443],
  ]) {
    const direct = agent.createConnection.bind(agent);
    agent.createConnection = (options, done) => {
      const host = options.host ?? "localhost";
      if (options.socketPath || isOwn(host)) return direct(options, done);
      tunnel(host, options.port ?? port, port === 443 ? secure(options, done) : done);
    };
  }
  const { fetch } = globalThis;
  let isPrepared = false;
  globalThis.fetch = (...args) => {
    if (!isPrepared) prepareFetch();
    isPrepared = true;
    return fetch(...args);
  };
  function prepareFetch() {
    const key = Symbol.for("undici.globalDispatcher.1");
    void globalThis.Headers; // loads what sets the dispatcher whose class is needed
    const { constructor: Agent } = Object.getPrototypeOf(globalThis[key]);
    const direct = globalThis[key];
    const through = new Agent({
      connect({ hostname, port, protocol, servername }, done) {
        const isSecure = protocol === "https:";
        const options = { host: hostname, servername, ALPNProtocols: ["http/1.1"] };
        tunnel(hostname, port || (isSecure ? 443 : 80), isSecure ? secure(options, done) : done);
      },
    });
    globalThis[key] = new Proxy(through, {
      get(target, name) {
        if (name !== "dispatch") return Reflect.get(target, name, target);
        return (options, handler) =>
          (isOwn(new URL(options.origin).hostname) ? direct : target).dispatch(options, handler);
      },
    });
  }
}

async function run() {
  await goThroughProxy();
  const inputs = readInputs();
  const artifactsDir = `${workdir}/artifacts`;
  globalThis[Symbol.for("headrace.host")] = { progress, inputs, artifactsDir, connection };
  // A convenience for code written for CommonJS; resolves from the script's own place.
  globalThis.require = createRequire(scriptUrl);
  let pending = "the script's top level";
  process.once("beforeExit", () => {
    if (pending) fail(new Error(`${pending} waits for a promise that nothing will ever settle`));
  });
  const script = await import(scriptUrl.href);
  // the last: what CommonJS code calls `exports.main` arrives as a member of the default export
  const candidates = [script.main, script.default, script.default?.main?.bind?.(script.default)];
  const main = candidates.find((candidate) => typeof candidate === "function");
  send({ type: "mode", main: main !== undefined });
  pending = main && "main";
  if (!main) return;
  const output = encode(await main(inputs));
  pending = undefined;
  settle({ type: "result", output });
  // What main left open, a pool of connections for one, must not keep the step alive.
  setImmediate(() => realExit(0));
}

// Node.js hands on in the background what a pipe has no room for, and forgets it when the process exits: each write waits.
for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);
process.setSourceMapsEnabled(true);
await import("data:text/javascript,"); // loads what the first import needs, before there is a job
takeJob();
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
process.on("exit", (exitCode) => {
  if (!isSettled) settle({ type: "exit", exitCode });
});
run().catch(fail);
