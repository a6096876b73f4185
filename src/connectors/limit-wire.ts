import type { EventEmitter } from "node:events";
import { MAX_RESULT_BYTES } from "./result-rows.js";
import { ConnectorError } from "./types.js";

/** A connection's socket, as far as it matters here. */
export type WireStream = EventEmitter & { destroy(error?: Error): void };

/** Bytes on the wire that one use may take: a server could else send without end, and the driver would keep it all. */
const MAX_WIRE_BYTES = 4 * MAX_RESULT_BYTES;

const TOO_LARGE = "The result is too large to be read";

/** A limit that has been put on a connection. */
export interface WireLimit {
  /** @throws ConnectorError when the connection was cut for sending too much. */
  assertWithin(): void;
  /** Counts no longer. */
  lift(): void;
}

/** Cuts a connection that sends more than one use may take. */
export function limitWire(stream: WireStream): WireLimit {
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    // with an error: a driver may take a mere end for nothing to do with what it waits for
    if (bytes > MAX_WIRE_BYTES) stream.destroy(new Error(TOO_LARGE));
  };
  stream.on("data", count);
  return {
    assertWithin() {
      if (bytes > MAX_WIRE_BYTES) throw new ConnectorError("statement", TOO_LARGE);
    },
    lift: () => void stream.off("data", count),
  };
}
