import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/sdk/types.js";
import type { McpExchange } from "../../streaming/mcp-exchange.js";

/**
 * The SDK's stateless transport for one post, with questions to the client: a question goes out on the post's own
 * stream under an id that is unlike any other, and its answer, which comes by another post, is brought back by the
 * exchange.
 */
export class McpTransport extends StreamableHTTPServerTransport {
  readonly #exchange: McpExchange;
  readonly #owner: string;
  /** By the id that the SDK has given the question. */
  readonly #questions = new Map<RequestId, { id: string; forget(): void }>();

  constructor(exchange: McpExchange, owner: string) {
    super({ keepAliveMs: KEEP_ALIVE_MS });
    this.#exchange = exchange;
    this.#owner = owner;
  }

  override async send(message: JSONRPCMessage, options?: { relatedRequestId?: RequestId }): Promise<void> {
    await super.send(this.#rename(message), options);
  }

  override async close(): Promise<void> {
    for (const question of this.#questions.values()) question.forget();
    this.#questions.clear();
    await super.close();
  }

  #rename(message: JSONRPCMessage): JSONRPCMessage {
    if (!("method" in message)) return message;
    if ("id" in message) {
      const { id } = message;
      const question = this.#exchange.ask(this.#owner, (answer) => {
        question.forget();
        this.#questions.delete(id);
        this.onmessage?.({ ...answer, id } as JSONRPCMessage);
      });
      this.#questions.set(id, question);
      return { ...message, id: question.id };
    }
    const { method, params } = message;
    const known = this.#questions.get(params?.["requestId"] as RequestId);
    if (method !== "notifications/cancelled" || !known) return message;
    return { ...message, params: { ...params, requestId: known.id } };
  }
}

const KEEP_ALIVE_MS = 15_000;
