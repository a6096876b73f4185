import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/sdk/types.js";
import type { PubSub, Unsubscribe } from "../events/pub-sub.js";
import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";

/** Who waits in this process for an answer of a client. */
interface Pending {
  readonly owner: string;
  deliver(message: JSONRPCMessage): void;
}

/** A longer answer can reach only the process that asked, since PostgreSQL's notices are short. */
const MOST_FORWARDED_BYTES = 7000;

/**
 * Brings what a client posts about a call that is under way – an answer to a question of ours, a cancellation – to the
 * process that has the call, whichever process the load balancer chose for the post.
 */
export function createMcpExchange(deps: { readonly pubSub: PubSub; readonly logger: Logger }) {
  const questions = new Map<string, Pending>();
  const calls = new Map<string, Pending>();
  let unsubscribe: Unsubscribe | undefined;
  const stop = new AbortController();
  // one listener per call under way is no leak
  setMaxListeners(0, stop.signal);

  function deliver(kind: "answer" | "cancel", key: string, owner: string, message: JSONRPCMessage): boolean {
    const waiting = (kind === "answer" ? questions : calls).get(key);
    if (!waiting) return false;
    // a stranger's answer counts as none
    if (waiting.owner === owner) waiting.deliver(message);
    return true;
  }

  async function forward(kind: "answer" | "cancel", key: string, owner: string, message: JSONRPCMessage) {
    if (deliver(kind, key, owner, message)) return;
    if (Buffer.byteLength(JSON.stringify(message)) > MOST_FORWARDED_BYTES) return;
    try {
      await deps.pubSub.publish("mcp-messages", { kind, key, owner, message: message as object });
    } catch (error) {
      deps.logger.warn({ err: toError(error), kind }, "a client's message could not be passed on");
    }
  }

  return {
    /** Aborted by `close`: calls under way end, and the runs that they wait for go on. */
    stopped: stop.signal,
    async start(): Promise<void> {
      unsubscribe = await deps.pubSub.subscribe("mcp-messages", ({ kind, key, owner, message }) => {
        deliver(kind, key, owner, message as JSONRPCMessage);
      });
    },
    /** Remembers a question; answers the id to send it with, unlike any other process's. */
    ask(owner: string, onAnswer: (message: JSONRPCMessage) => void): { id: string; forget(): void } {
      const id = `hr-${randomUUID()}`;
      questions.set(id, { owner, deliver: onAnswer });
      return { id, forget: () => void questions.delete(id) };
    },
    /** Remembers a call under way, so that it can be cancelled; answers how to forget it. */
    track(session: string, id: RequestId, owner: string, onCancel: (message: JSONRPCMessage) => void) {
      const key = callKey(session, id);
      calls.set(key, { owner, deliver: onCancel });
      return (): void => void calls.delete(key);
    },
    /** An answer to one of our questions. */
    async answer(id: RequestId, owner: string, message: JSONRPCMessage): Promise<void> {
      await forward("answer", String(id), owner, message);
    },
    /** The client no longer wants a call. */
    async cancel(session: string, id: RequestId, owner: string, message: JSONRPCMessage): Promise<void> {
      await forward("cancel", callKey(session, id), owner, message);
    },
    async close(): Promise<void> {
      stop.abort();
      await unsubscribe?.();
      unsubscribe = undefined;
    },
  };
}

/** See {@link createMcpExchange}. */
export type McpExchange = ReturnType<typeof createMcpExchange>;

function callKey(session: string, id: RequestId): string {
  return `${session} ${typeof id} ${id}`;
}
