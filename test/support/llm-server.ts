import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A request as the server saw it. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: {
    readonly model: string;
    readonly messages: { role: string; content: string; tool_call_id?: string; tool_calls?: unknown }[];
    readonly tools?: { function: { name: string; description?: string; parameters: object } }[];
    readonly response_format?: object;
    readonly [name: string]: unknown;
  };
  readonly atMs: number;
}

/** What the server does with one request. */
export type Reply = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** A server that speaks the protocol of chat completions. */
export interface LlmServer {
  readonly baseUrl: string;
  readonly port: number;
  readonly requests: SeenRequest[];
  /** How many answers were broken off by whoever asked. */
  readonly cutOff: () => number;
  /** Replies to the next requests, in order; after the last of them that one goes on. */
  reply(...replies: Reply[]): void;
  close(): Promise<void>;
}

/** Starts one on a free port of loopback. */
export async function startLlmServer(): Promise<LlmServer> {
  const requests: SeenRequest[] = [];
  let replies: Reply[] = [];
  let cutOff = 0;
  const server = createServer((request, response) => {
    response.on("close", () => {
      if (!response.writableFinished) cutOff += 1;
    });
    void answer(request, response).catch(() => response.destroy());
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { url: path = "", headers } = request;
    if (path.endsWith("/models")) return sendModels(request, response);
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as SeenRequest["body"];
    const seen = { path, headers, body, atMs: performance.now() };
    requests.push(seen);
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    await (reply ?? streamText(["ok"]))(response, seen);
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    port,
    requests,
    cutOff: () => cutOff,
    reply(...next) {
      replies = next;
      requests.length = 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function sendModels({ headers }: IncomingMessage, response: ServerResponse): void {
  const isKnown = headers.authorization === `Bearer ${TEST_KEY}`;
  const said = isKnown
    ? { object: "list", data: [{ id: "test-model" }, { id: "other-model" }] }
    : { error: { message: `Incorrect API key provided: ${String(headers.authorization)}` } };
  response.writeHead(isKnown ? 200 : 401, { "content-type": "application/json" }).end(JSON.stringify(said));
}

/** The key that the server's list of models asks for. */
export const TEST_KEY = "key-of-the-test-0123456789";

/** Opens a stream of events. */
export function openStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
}

/** Sends one chunk of a streamed answer. */
export function sendChunk(
  response: ServerResponse,
  delta: object,
  more: { finish?: string; usage?: object; model?: string } = {},
): void {
  const { finish = null, usage, model = "test-model-2026" } = more;
  const chunk = {
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model,
    choices: usage ? [] : [{ index: 0, delta, finish_reason: finish }],
    ...(usage ? { usage } : {}),
  };
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
}

/** Ends a streamed answer as the protocol wants it: the usage, then the mark. */
function endStream(response: ServerResponse, tokens: { input: number; output: number } | null): void {
  if (tokens)
    sendChunk(response, {}, { usage: { prompt_tokens: tokens.input, completion_tokens: tokens.output } });
  response.end("data: [DONE]\n\n");
}

/** Streams these pieces of text. */
export function streamText(
  pieces: readonly string[],
  more: { pauseMs?: number; finish?: string; tokens?: { input: number; output: number } | null } = {},
): Reply {
  return async (response) => {
    openStream(response);
    sendChunk(response, { role: "assistant", content: "" });
    for (const content of pieces) {
      if (response.destroyed) return;
      sendChunk(response, { content });
      if (more.pauseMs !== undefined) await sleep(more.pauseMs);
    }
    sendChunk(response, {}, { finish: more.finish ?? "stop" });
    endStream(response, more.tokens === undefined ? { input: 12, output: 5 } : more.tokens);
  };
}

/** A call that the model asks for; its arguments come in two pieces. */
export interface Asked {
  readonly id?: string;
  readonly name: string;
  readonly arguments: string;
}

/** Streams calls of tools. */
export function streamCalls(calls: readonly Asked[], tokens = { input: 20, output: 8 }): Reply {
  return (response) => {
    openStream(response);
    calls.forEach(({ id = "call_1", name, arguments: text }, index) => {
      const half = Math.ceil(text.length / 2);
      const first = { index, id, type: "function", function: { name, arguments: text.slice(0, half) } };
      sendChunk(response, { tool_calls: [first] });
      sendChunk(response, { tool_calls: [{ index, function: { arguments: text.slice(half) } }] });
    });
    sendChunk(response, {}, { finish: "tool_calls" });
    endStream(response, tokens);
  };
}

/** Answers with a status and an error, as the protocol wants it. */
export function failWith(status: number, message: string, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ error: { message, type: "test", code: null } }));
  };
}
