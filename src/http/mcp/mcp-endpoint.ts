import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type {
  Implementation,
  JSONRPCMessage,
  JSONRPCRequest,
  RequestId,
} from "@modelcontextprotocol/sdk/types.js";
import type { Actor } from "../../core/actor.js";
import { isJsonObject } from "../../core/json.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { RequestLimiter } from "../../services/limits/request-limiter.js";
import { assertCallerMaySend } from "../limit-requests.js";
import { decodeText, parseJson } from "../parse-json.js";
import type { RouteRequest, RouteResponse } from "../route.js";
import type { McpExchange } from "../../streaming/mcp-exchange.js";
import { type McpSession, type McpSessions, ownerOf } from "./mcp-session.js";
import { McpTransport } from "./mcp-transport.js";

/** One post of a client, for whoever answers it. */
export interface McpCall {
  readonly actor: Actor;
  readonly origin: RouteRequest["origin"];
  /** Undefined for a client that keeps no session: it can be asked nothing. */
  readonly session: McpSession | undefined;
  /** `http://host:port` as the client reached us. */
  readonly baseUrl: string;
  /** Whether the client has cancelled this request, rather than gone away. */
  isCanceled(id: RequestId): boolean;
}

/** Sets what a server can do and answers: the tools of Headrace, and in tests the fixtures of a suite. */
export type McpFeatures = (server: Server, call: McpCall) => void;

/** What the endpoint is made of. */
export interface McpEndpointDeps {
  readonly sessions: McpSessions;
  readonly exchange: McpExchange;
  readonly logger: Logger;
  readonly serverInfo: Implementation;
  readonly instructions: string;
  /** Origins of web pages that may speak to the API (the setting `CORS_ORIGINS`). */
  readonly allowedOrigins: readonly string[];
  readonly features: McpFeatures;
  /** Counts each message of a batch; unset: a batch is one request. */
  readonly limiter?: RequestLimiter | undefined;
}

const MOST_MESSAGES = 100;
const SESSION_HEADER = "mcp-session-id";

/**
 * Answers posts to `/mcp` (streamable HTTP). Nothing is kept between two of them but calls under way: each post gets a
 * server of its own.
 */
export function createMcpEndpoint(deps: McpEndpointDeps) {
  return async (request: RouteRequest<unknown, unknown, Buffer>): Promise<RouteResponse> => {
    const { actor } = request;
    if (!isOwnOrigin(request, deps.allowedOrigins)) return refuse(403, -32_000, "Origin not allowed");
    const body = readMessages(request.body);
    if ("status" in body) return body;
    await assertCallerMaySend(deps.limiter, actor, body.messages.length);
    const id = request.header(SESSION_HEADER);
    const session = id === undefined ? undefined : deps.sessions.read(id, actor);
    if (id !== undefined && !session) return refuse(404, -32_001, "Session not found");
    const open = await passOn(deps, body.messages, ownerOf(actor), session);
    if (open.length === 0) return { status: 202 };
    return answerByServer(deps, request, open, body.isBatch, session);
  };
}

/** Browsers name the page that asks: only our own pages, and those that CORS lets in, may. */
function isOwnOrigin(request: RouteRequest, allowed: readonly string[]): boolean {
  const origin = request.header("origin");
  if (origin === undefined || allowed.includes(origin)) return true;
  return origin.toLowerCase() === baseUrlOf(request).toLowerCase();
}

function baseUrlOf(request: Pick<RouteRequest, "header" | "isSecure">): string {
  return `${request.isSecure ? "https" : "http"}://${request.header("host") ?? ""}`;
}

function readMessages(bytes: Buffer): { messages: JSONRPCMessage[]; isBatch: boolean } | RouteResponse {
  let value: unknown;
  try {
    value = parseJson(decodeText(bytes));
  } catch {
    return refuse(400, -32_700, "Parse error: the body is not JSON in UTF-8");
  }
  const isBatch = Array.isArray(value);
  const messages = isBatch ? (value as unknown[]) : [value];
  if (messages.length > MOST_MESSAGES) {
    return refuse(413, -32_600, `A batch may hold ${MOST_MESSAGES} messages at most`);
  }
  if (messages.length === 0 || !messages.every(isJsonObject)) {
    return refuse(400, -32_600, "Invalid request: not a JSON-RPC message");
  }
  return { messages: messages as unknown as JSONRPCMessage[], isBatch };
}

/** Answers and cancellations belong to calls that other posts have made; what is left is for a server. */
async function passOn(
  deps: McpEndpointDeps,
  messages: readonly JSONRPCMessage[],
  owner: string,
  session: McpSession | undefined,
): Promise<JSONRPCMessage[]> {
  const open: JSONRPCMessage[] = [];
  for (const message of messages) {
    if ("id" in message && !("method" in message) && message.id !== undefined) {
      if (isRequestId(message.id)) await deps.exchange.answer(message.id, owner, message);
    } else if ("method" in message && message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"];
      if (session && isRequestId(id)) await deps.exchange.cancel(session.nonce, id, owner, message);
    } else if (!("method" in message) || "id" in message) {
      open.push(message);
    }
  }
  return open;
}

/** The messages are what a client has sent, whatever their type says. */
function isRequestId(id: unknown): id is RequestId {
  return typeof id === "string" || typeof id === "number";
}

function answerByServer(
  deps: McpEndpointDeps,
  request: RouteRequest,
  messages: readonly JSONRPCMessage[],
  isBatch: boolean,
  session: McpSession | undefined,
): RouteResponse {
  const { actor } = request;
  const initialize = messages.find((message): message is JSONRPCRequest => isInitialize(message));
  const headers: Record<string, string> = initialize
    ? { "Mcp-Session-Id": deps.sessions.make(actor, canElicit(initialize)) }
    : {};
  return {
    status: 200,
    headers,
    async stream(incoming, response) {
      const canceled = new Set<RequestId>();
      const transport = new McpTransport(deps.exchange, ownerOf(actor));
      const server = new Server(deps.serverInfo, { instructions: deps.instructions });
      server.onerror = (error) => deps.logger.debug({ err: error }, "mcp message refused");
      deps.features(server, {
        actor,
        origin: request.origin,
        session,
        baseUrl: baseUrlOf(request),
        isCanceled: (id) => canceled.has(id),
      });
      await server.connect(transport);
      const untrack = trackCalls(deps, messages, session, ownerOf(actor), (id, message) => {
        canceled.add(id);
        transport.onmessage?.(message);
      });
      const closed = new Promise((resolve) => response.once("close", resolve));
      const { stopped } = deps.exchange;
      const onStop = () => response.destroy();
      stopped.addEventListener("abort", onStop);
      if (stopped.aborted) onStop();
      try {
        await transport.handleRequest(incoming, response, isBatch ? [...messages] : messages[0]);
        await closed;
      } finally {
        untrack();
        stopped.removeEventListener("abort", onStop);
        await server
          .close()
          .catch((error: unknown) => deps.logger.warn({ err: toError(error) }, "mcp close"));
      }
    },
  };
}

function trackCalls(
  deps: McpEndpointDeps,
  messages: readonly JSONRPCMessage[],
  session: McpSession | undefined,
  owner: string,
  onCancel: (id: RequestId, message: JSONRPCMessage) => void,
): () => void {
  if (!session) return () => undefined;
  const untracks = messages.flatMap((message) =>
    "id" in message && isRequestId(message.id)
      ? [deps.exchange.track(session.nonce, message.id, owner, onCancel.bind(undefined, message.id))]
      : [],
  );
  return () => {
    for (const untrack of untracks) untrack();
  };
}

function isInitialize(message: JSONRPCMessage): boolean {
  return "method" in message && message.method === "initialize";
}

/** By form, that is: a client that names no mode can do forms. */
function canElicit(message: JSONRPCRequest): boolean {
  const capabilities: unknown = message.params?.["capabilities"];
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  return isJsonObject(elicitation) && (Object.keys(elicitation).length === 0 || "form" in elicitation);
}

function refuse(status: number, code: number, message: string): RouteResponse {
  return { status, body: { jsonrpc: "2.0", error: { code, message }, id: null } };
}
