import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { ExecutionError, SandboxProcess } from "../types.js";
import { createMessageReader } from "./message-reader.js";
import type { MessageLimits } from "./message-limits.js";

/** The wire to a server in the sandbox. */
export interface StdioTransport extends Transport {
  /** Why the wire was cut, if that was the server's doing. */
  readonly fault: ExecutionError | undefined;
}

/** What the wire tells. */
export interface StdioTransportOptions {
  readonly limits: MessageLimits;
  /** A line on stdout that is no message: banners and prints, which servers should write to stderr. */
  onText(line: string): void;
}

/** Messages as lines of JSON on a child's stdin and stdout. What the reader calls a fault cuts the wire. */
export function createStdioTransport(
  child: SandboxProcess,
  { limits, onText }: StdioTransportOptions,
): StdioTransport {
  let isClosed = false;
  let fault: ExecutionError | undefined;

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    transport.onclose?.();
  }

  const transport: StdioTransport = {
    get fault() {
      return fault;
    },
    start: async () => undefined,
    async send(message) {
      if (isClosed) throw new Error("Not connected");
      child.writeInput(`${JSON.stringify(message)}\n`);
    },
    close: async () => close(),
  };
  const reader = createMessageReader({
    limits,
    onText,
    onMessage(message) {
      // the client takes notices up a moment later than answers: progress just before the end would be lost
      if ("method" in message) transport.onmessage?.(message);
      else setImmediate(() => transport.onmessage?.(message));
    },
    onFault(why) {
      fault ??= why;
      close();
    },
  });
  child.onStdout((chunk) => {
    if (!isClosed) reader.push(chunk);
  });
  void child.exited.then(close);
  return transport;
}
