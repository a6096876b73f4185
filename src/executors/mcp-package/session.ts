import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { CallToolResultSchema, LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { CallToolResult, Progress } from "@modelcontextprotocol/sdk/types.js";
import type { Agent } from "undici";
import type { JsonObject } from "../../core/json.js";
import type { ResolvedPackage, ToolListing } from "../../core/tool-contract.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import { cleanText, createLineSplitter } from "../script/line-splitter.js";
import { createProgressThrottle } from "../script/progress-throttle.js";
import { type ExecutionContext, ExecutionError, type SandboxExit, type SandboxProcess } from "../types.js";
import type { McpPackageConfig } from "./definition.js";
import { createHttpTransport, type HttpTransport } from "./http-transport.js";
import { listTools } from "./list-tools.js";
import { type MessageLimits, toMessageLimits } from "./message-limits.js";
import { fillPlaceholders, listSecretNames } from "./placeholders.js";
import { type ServerCommandDeps, toServerCommand } from "./server-command.js";
import { toSessionFault } from "./session-fault.js";
import { createStdioTransport, type StdioTransport } from "./stdio-transport.js";
import type { ToolCall } from "./tool-call.js";

/** What sessions need for as long as the worker runs. */
export interface SessionDeps extends ServerCommandDeps {
  readonly guard: OutgoingGuard;
  readonly agent: Agent;
  /** The setting `MAX_MCP_MESSAGE_BYTES`. */
  readonly maxMessageBytes: number;
}

/** A conversation with one server. Close it in every case. */
export interface Session {
  /** @throws ExecutionError */
  list(): Promise<ToolListing>;
  /** Calls a tool; its progress and logs become the step's. @throws ExecutionError */
  call(call: ToolCall): Promise<CallToolResult>;
  /** Ends the server: its input is closed, then its whole tree is killed. */
  close(): Promise<void>;
}

/** The wire of a session, and the process at its other end if there is one. */
interface Line {
  readonly transport: StdioTransport | HttpTransport;
  readonly child?: SandboxProcess;
  readonly package?: ResolvedPackage;
  readonly origin?: string;
  readonly stderrTail: string[];
}

const CLIENT_INFO = { name: "headrace", version: "1" };
const HANDSHAKE_LIMIT_MS = 60_000;
/** A server that never answers is told from a step that runs out of time: it is given up a little earlier. */
const MARGIN_SHARE = 0.05;
const MOST_MARGIN_MS = 2_000;
const EXIT_GRACE_MS = 300;
const KILL_GRACE_MS = 1_000;
const STDERR_LINES = 20;
/** Shorter values would blank out half of any text. */
const SHORTEST_HIDDEN = 4;
const MOST_LOG_CHARS = 64 * 1024;

/**
 * Starts or reaches a server and shakes hands with it.
 * @param pinned the package that the version's contract recorded.
 * @throws ExecutionError; `context.signal`'s reason when it is aborted.
 */
export async function openSession(
  deps: SessionDeps,
  config: McpPackageConfig,
  context: ExecutionContext,
  pinned: ResolvedPackage | undefined,
): Promise<Session> {
  const endsAt = performance.now() + context.timeoutSeconds * 1_000;
  const limits = toMessageLimits(deps.maxMessageBytes);
  const line =
    config.transport.kind === "stdio"
      ? await startServer(deps, { ...config, transport: config.transport }, context, pinned, limits)
      : reachServer(deps, { ...config, transport: config.transport }, context, limits);
  const session = createSession(line, config, context, endsAt);
  try {
    await session.connect();
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

type StdioConfig = McpPackageConfig & {
  readonly transport: Extract<McpPackageConfig["transport"], { kind: "stdio" }>;
};

async function startServer(
  deps: SessionDeps,
  config: StdioConfig,
  context: ExecutionContext,
  pinned: ResolvedPackage | undefined,
  limits: MessageLimits,
): Promise<Line> {
  const { sandbox, workdir, timeoutSeconds, emit } = context;
  const { env = {}, args = [], command } = config.transport;
  const given = { command, args: fillPlaceholders(args, context) };
  const server = await toServerCommand(deps, given, pinned, context);
  context.signal.throwIfAborted();
  const child = await sandbox
    .start({
      command: server.command,
      args: server.args,
      env: fillPlaceholders(env, context),
      cwd: workdir,
      memoryMb: config.memoryMb,
      timeoutSeconds,
      readOnlyPaths: server.readOnlyPaths,
      network: config.network,
    })
    .catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      const why = code === "ENOENT" ? "was not found" : "cannot be started";
      throw new ExecutionError("upstream_error", `The command ${command} ${why}`, { cause: error });
    });
  // at once: what nobody listens to is thrown away
  const transport = createStdioTransport(child, { limits, onText: (text) => emit.log("stdout", text) });
  const stderrTail: string[] = [];
  const lines = createLineSplitter((text, cut) => {
    emit.log("stderr", text, cut);
    stderrTail.push(text.slice(0, 500));
    if (stderrTail.length > STDERR_LINES) stderrTail.shift();
  });
  child.onStderr((chunk) => lines.push(chunk));
  void child.exited.then(lines.flush);
  return { transport, child, stderrTail, ...(server.package && { package: server.package }) };
}

type HttpConfig = McpPackageConfig & {
  readonly transport: Extract<McpPackageConfig["transport"], { kind: "http" }>;
};

function reachServer(
  deps: SessionDeps,
  { transport, arguments: defaults = {} }: HttpConfig,
  context: ExecutionContext,
  limits: MessageLimits,
): Line {
  const { url, headers: given = {} } = transport;
  const headers = fillPlaceholders(given, context);
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      const message = `/transport/headers/${name} holds a secret that cannot stand in a header`;
      throw new ExecutionError("invalid_input", message);
    }
  }
  const bound = context.secretHosts;
  // the configuration's arguments are sent to the server as well
  const names = [...Object.values(given), JSON.stringify(defaults)].flatMap(listSecretNames);
  const secretHosts = [
    ...(bound?.inputs ?? []),
    ...names.flatMap((name) => (bound?.named[name] ? [bound.named[name]] : [])),
  ];
  const { guard, agent } = deps;
  const wire = createHttpTransport({
    url,
    headers,
    secretHosts,
    limits,
    guard,
    agent,
    signal: context.signal,
  });
  return { transport: wire, origin: new URL(url).origin, stderrTail: [] };
}

function createSession(line: Line, config: McpPackageConfig, context: ExecutionContext, endsAt: number) {
  const { signal, emit, timeoutSeconds } = context;
  const { transport, child } = line;
  const client = createClient(context);
  const marginMs = Math.min(MOST_MARGIN_MS, timeoutSeconds * 1_000 * MARGIN_SHARE);

  function requestOptions(limitMs = Number.POSITIVE_INFINITY): LimitedOptions {
    const leftMs = Math.max(1, Math.floor(endsAt - marginMs - performance.now()));
    const timeout = Math.min(leftMs, limitMs);
    return { timeout, maxTotalTimeout: leftMs, resetTimeoutOnProgress: true, signal };
  }
  const attempt = createAttempts(line, signal);
  const secrets = Object.values(context.secrets).filter((value) => value.length >= SHORTEST_HIDDEN);

  return {
    async connect(): Promise<void> {
      const options = requestOptions(HANDSHAKE_LIMIT_MS);
      await attempt(options, async () => await client.connect(transport, options));
    },
    async list(): Promise<ToolListing> {
      const limited = () => requestOptions(HANDSHAKE_LIMIT_MS);
      return await attempt(
        limited(),
        async () => await listTools(client, limited, { package: line.package, secrets }),
      );
    },
    async call({ tool, arguments: values }: ToolCall): Promise<CallToolResult> {
      const idleMs = config.idleTimeoutSeconds === undefined ? undefined : config.idleTimeoutSeconds * 1_000;
      const progress = createProgressThrottle((data) => emit.progress(data));
      const options = requestOptions(idleMs);
      const request = { method: "tools/call", params: { name: tool, arguments: values } } as const;
      const onprogress = (report: Progress) => progress.report(toProgress(report));
      try {
        const call = async () =>
          await client.request(request, CallToolResultSchema, { ...options, onprogress });
        return await attempt(options, call);
      } finally {
        progress.flush();
      }
    },
    async close(): Promise<void> {
      if ("endSession" in transport && !transport.fault) await transport.endSession();
      await client.close();
      if (!child) return;
      child.endInput();
      await Promise.race([child.exited, sleep(EXIT_GRACE_MS)]);
      await child.kill(KILL_GRACE_MS);
    },
  };
}

type LimitedOptions = RequestOptions & { readonly timeout: number };

/** A client that offers the server nothing, and whose server's logs are the step's. */
function createClient({ emit }: ExecutionContext): Client {
  // structured content is checked by us: the SDK would compile the server's schemas, patterns too, in this process
  const trusting = {
    getValidator: () => (value: unknown) => ({
      valid: true as const,
      data: value as never,
      errorMessage: undefined,
    }),
  };
  const client = new Client(CLIENT_INFO, { capabilities: {}, jsonSchemaValidator: trusting });
  client.onerror = () => undefined; // whoever waits for an answer is told; the rest is noise of the wire
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    const { level, logger, data } = params;
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const line = cleanText(`[${level}] ${logger ? `${logger}: ` : ""}${text}`);
    emit.log("stdout", line.slice(0, MOST_LOG_CHARS));
  });
  return client;
}

/** Does what a session does, and makes what it throws the step's error. */
function createAttempts(line: Line, signal: AbortSignal) {
  const { transport, child } = line;
  let exit: SandboxExit | undefined;
  void child?.exited.then((value) => (exit = value));
  return async function attempt<Value>(options: LimitedOptions, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      // a wire that closed may be a process that is about to be known as ended
      if (child) await Promise.race([child.exited, sleep(EXIT_GRACE_MS)]);
      throw toSessionFault(error, {
        fault: transport.fault,
        exit,
        stderr: line.stderrTail.join("\n"),
        limitSeconds: Math.round(options.timeout / 100) / 10,
        ...(line.origin !== undefined && { origin: line.origin }),
      });
    }
  };
}

/** Shares of the whole, as scripts report them, where the server says how much there is. */
function toProgress({ progress, total, message }: Progress): JsonObject {
  const share = total !== undefined && total > 0 ? Math.min(1, Math.max(0, progress / total)) : undefined;
  return {
    ...(share === undefined ? { progress } : { value: share }),
    ...(message !== undefined && { message: cleanText(message).slice(0, 1_000) }),
  };
}
