import { type MessageLimits, oversizedMessage, oversizedSession } from "./message-limits.js";

/** What a session has received so far, over all of its responses. */
export interface ReceivedBytes {
  total: number;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const WITHOUT_BODY = new Set([204, 205, 304]);

/**
 * The same response, whose body fails once a message in it is larger than the limit: the whole of it, or of a stream
 * of events each event. `onExceeded` is told too, since nobody may be reading.
 */
export function limitResponse(
  response: Response,
  limits: MessageLimits,
  received: ReceivedBytes,
  onExceeded: (fault: Error) => void,
): Response {
  const { status, statusText, headers, body } = response;
  if (!body || WITHOUT_BODY.has(status)) return response;
  const isStream = /^\s*text\/event-stream\b/i.test(headers.get("content-type") ?? "");
  const countMessage = isStream ? createEventCounter() : createByteCounter();
  const reader = body.getReader();
  const limited = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      received.total += value.byteLength;
      const isTooLarge = countMessage(value) > limits.maxMessageBytes;
      if (!isTooLarge && received.total <= limits.maxTotalBytes) return controller.enqueue(value);
      const fault = isTooLarge ? oversizedMessage(limits) : oversizedSession(limits);
      void reader.cancel(fault).catch(() => undefined);
      onExceeded(fault);
      throw fault;
    },
    cancel: async (reason) => await reader.cancel(reason),
  });
  return new Response(limited, { status, statusText, headers });
}

function createByteCounter(): (chunk: Uint8Array) => number {
  let bytes = 0;
  return (chunk) => (bytes += chunk.byteLength);
}

/** Counts the bytes since the last empty line, which ends an event. */
function createEventCounter(): (chunk: Uint8Array) => number {
  let bytes = 0;
  let lineBytes = 0;
  return (chunk) => {
    let start = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, start)) {
      const isCarriageReturn = chunk[at - 1] === CARRIAGE_RETURN;
      const ownBytes = lineBytes + at - start - (isCarriageReturn ? 1 : 0);
      bytes = ownBytes <= 0 ? 0 : bytes + at - start + 1;
      lineBytes = 0;
      start = at + 1;
    }
    lineBytes += chunk.byteLength - start;
    return bytes + lineBytes;
  };
}
