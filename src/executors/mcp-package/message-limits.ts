import { upstreamFault } from "../http-request/upstream-fault.js";
import type { ExecutionError } from "../types.js";

/** How much a server may say. */
export interface MessageLimits {
  /** Of one message. */
  readonly maxMessageBytes: number;
  /** Of all messages of a session. */
  readonly maxTotalBytes: number;
}

/** A session may fill this many messages of the greatest size. */
const MESSAGES_PER_SESSION = 16;

/** The limits of a session whose greatest message is given. */
export function toMessageLimits(maxMessageBytes: number): MessageLimits {
  return { maxMessageBytes, maxTotalBytes: maxMessageBytes * MESSAGES_PER_SESSION };
}

/** The fault of a message that is too large. */
export function oversizedMessage({ maxMessageBytes }: MessageLimits): ExecutionError {
  return upstreamFault(`sent a message of more than ${maxMessageBytes} bytes`, { maxMessageBytes });
}

/** The fault of a session that is too large. */
export function oversizedSession({ maxTotalBytes }: MessageLimits): ExecutionError {
  return upstreamFault(`sent more than ${maxTotalBytes} bytes in all`, { maxTotalBytes });
}
