import { type JSONRPCMessage, JSONRPCMessageSchema } from "@modelcontextprotocol/sdk/types.js";
import { upstreamFault } from "../http-request/upstream-fault.js";
import { decodeText } from "../script/line-splitter.js";
import type { ExecutionError } from "../types.js";
import { type MessageLimits, oversizedMessage, oversizedSession } from "./message-limits.js";

/** Reads messages, one a line. */
export interface MessageReader {
  push(chunk: Buffer): void;
}

/** What a reader tells. */
export interface MessageReaderOptions {
  readonly limits: MessageLimits;
  onMessage(message: JSONRPCMessage): void;
  /** A line that does not look like a message. */
  onText(line: string): void;
  /** Told once; nothing is read after it. */
  onFault(fault: ExecutionError): void;
}

const LINE_FEED = 10;
const MOST_TEXT_LINES = 1_000;
const SHOWN_CHARS = 1_000;

/**
 * Makes a reader that holds no more than one line. A line that begins like a message and is none, or one that is too
 * long, is a fault: nothing after it can be trusted.
 */
export function createMessageReader(options: MessageReaderOptions): MessageReader {
  const { limits } = options;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let totalBytes = 0;
  let textLines = 0;
  let isOver = false;

  function end(fault: ExecutionError): void {
    isOver = true;
    pending = [];
    options.onFault(fault);
  }

  function hold(piece: Buffer): void {
    pendingBytes += piece.length;
    if (pendingBytes > limits.maxMessageBytes) return end(oversizedMessage(limits));
    if (piece.length > 0) pending.push(piece);
  }

  function readLine(): void {
    const line = decodeText(Buffer.concat(pending)).trim();
    pending = [];
    pendingBytes = 0;
    const messages = parseMessages(line);
    if (messages === "broken") {
      return end(
        upstreamFault("sent a message that is no JSON-RPC", { message: line.slice(0, SHOWN_CHARS) }),
      );
    }
    if (messages !== "text") return messages.forEach((message) => options.onMessage(message));
    textLines += 1;
    if (textLines > MOST_TEXT_LINES) end(upstreamFault("writes to stdout what are no messages"));
    else options.onText(line);
  }

  return {
    push(chunk) {
      totalBytes += chunk.length;
      let start = 0;
      for (let at = chunk.indexOf(LINE_FEED); at !== -1 && !isOver; at = chunk.indexOf(LINE_FEED, start)) {
        hold(chunk.subarray(start, at));
        if (!isOver) readLine();
        start = at + 1;
      }
      if (!isOver) hold(chunk.subarray(start));
      if (!isOver && totalBytes > limits.maxTotalBytes) end(oversizedSession(limits));
    },
  };
}

/** The messages of a line; a batch has several, an empty line none. */
function parseMessages(line: string): JSONRPCMessage[] | "text" | "broken" {
  if (line === "") return [];
  if (!/^[[{]/.test(line)) return "text";
  try {
    const value: unknown = JSON.parse(line);
    return [value].flat().map((one) => JSONRPCMessageSchema.parse(one));
  } catch {
    // "[info] listening" begins like a batch and is a banner
    return line.startsWith("{") ? "broken" : "text";
  }
}
