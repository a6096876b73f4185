import type { EventEmitter } from "node:events";
import { MAX_RESULT_BYTES } from "./result-rows.js";
import { ConnectorError } from "./types.js";

/** A connection's socket, as far as it matters here. */
export type WireStream = EventEmitter & { destroy(): void };

/** Bytes on the wire that one use may take: a server could else send without end, and the driver would keep it all. */
const MAX_WIRE_BYTES = 4 * MAX_RESULT_BYTES;

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
    if (bytes > MAX_WIRE_BYTES) stream.destroy();
  };
  stream.on("data", count);
  return {
    assertWithin() {
      if (bytes > MAX_WIRE_BYTES) throw new ConnectorError("statement", "The result is too large to be read");
    },
    lift: () => void stream.off("data", count),
  };
}
