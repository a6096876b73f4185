import type { ServerResponse } from "node:http";
import { toError } from "../errors/app-error.js";

/** Timings of one connection. */
export interface SseTimings {
  /** A comment goes out so often: keeps proxies awake. */
  readonly commentMs: number;
  /** A client that takes nothing for so long is closed; it may resume. */
  readonly stallMs: number;
}

/** See {@link SseTimings}. */
export const DEFAULT_SSE_TIMINGS: SseTimings = { commentMs: 15_000, stallMs: 60_000 };

/** Bytes handed over at once: small enough to see that a slow client takes anything at all. */
const SLICE_BYTES = 16 * 1024;
/** How long the end of a response may take to reach the client. */
const LAST_WORDS_MS = 3000;

/** An open event stream. */
export interface SseConnection {
  /** Aborted when the client is gone (or was cut off, having lost its permission), stalled, or the server stops. */
  readonly signal: AbortSignal;
  /** Resolves when the client (or the kernel for it) has taken the text; rejects when the connection is over. */
  write(text: string): Promise<void>;
  /** Ends the response after what was written. Idempotent. */
  close(): void;
}

/** Sends the headers and keeps watch over the connection until it is closed. */
export function openSseConnection(options: {
  readonly response: ServerResponse;
  /** The server stops. */
  readonly shutdown: AbortSignal;
  readonly timings: SseTimings;
}): SseConnection {
  const { response, shutdown, timings } = options;
  const over = new AbortController();
  let writeCount = 0;

  const endNow = () => over.abort();
  response.on("close", endNow);
  response.on("error", endNow);
  shutdown.addEventListener("abort", endNow);
  if (shutdown.aborted || response.destroyed) over.abort();
  const comments = setInterval(() => {
    // a comment inside of a frame would break it; a client that is being written to needs none
    if (writeCount === 0) write(": keep-alive\n\n").catch(endNow);
  }, timings.commentMs);

  async function write(text: string): Promise<void> {
    writeCount += 1;
    try {
      const bytes = Buffer.from(text);
      for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
        await writeSlice(response, bytes.subarray(start, start + SLICE_BYTES), over, timings.stallMs);
      }
    } finally {
      writeCount -= 1;
    }
  }

  sendHeaders(response);
  return {
    signal: over.signal,
    write,
    close() {
      clearInterval(comments);
      shutdown.removeEventListener("abort", endNow);
      over.abort();
      endResponse(response);
    },
  };
}

/** Says goodbye; a client that does not take even that is cut off. */
function endResponse(response: ServerResponse): void {
  if (!response.writableEnded) response.end();
  if (response.destroyed || response.writableFinished) return;
  const cutOff = setTimeout(() => response.destroy(), LAST_WORDS_MS);
  response.once("close", () => clearTimeout(cutOff));
  response.once("finish", () => clearTimeout(cutOff));
}

function sendHeaders(response: ServerResponse): void {
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    // no-transform: a compressing proxy would hold frames back
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
  });
  response.socket?.setNoDelay(true);
  response.socket?.setTimeout(0);
  response.write(": connected\n\n");
}

async function writeSlice(
  response: ServerResponse,
  bytes: Buffer,
  over: AbortController,
  stallMs: number,
): Promise<void> {
  over.signal.throwIfAborted();
  if (response.write(bytes)) return;
  await new Promise<void>((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      response.off("drain", onDrain);
      over.signal.removeEventListener("abort", onOver);
      settle();
    };
    const onDrain = () => finish(resolve);
    const onOver = () => finish(() => reject(toError(over.signal.reason)));
    const timer = setTimeout(() => {
      over.abort();
      // what is buffered will never be taken: ending politely would wait for it
      response.destroy();
    }, stallMs);
    response.on("drain", onDrain);
    over.signal.addEventListener("abort", onOver);
  });
}
