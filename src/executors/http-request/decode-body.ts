import { pipeline, type Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { oversizedOutput } from "../script/output-value.js";
import { upstreamFault } from "./upstream-fault.js";

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};
/** A server that packs more often than that wants us to unpack for long. */
const MOST_ENCODINGS = 2;

/**
 * The bytes of a response, decompressed as they come. Whoever stops reading ends the response.
 * @throws ExecutionError `upstream_error` for an encoding that nobody asked for.
 */
export function decodeBody(body: Readable, contentEncoding: string | undefined): Readable {
  const encodings = (contentEncoding ?? "")
    .split(",")
    .map((encoding) => encoding.trim().toLowerCase())
    .filter((encoding) => encoding !== "" && encoding !== "identity");
  const makers = encodings.map((encoding) =>
    Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined,
  );
  if (encodings.length > MOST_ENCODINGS || makers.includes(undefined)) {
    body.on("error", ignore).destroy();
    throw upstreamFault("sent its response in an encoding that is not known here");
  }
  // the last that was applied is undone first
  const decoders = makers.reverse().flatMap((make) => (make ? [make()] : []));
  const last = decoders.at(-1);
  if (!last) return body;
  // errors arrive at whoever reads the last stream
  pipeline([body, ...decoders], ignore);
  return last as Readable;
}

/**
 * The same chunks, up to a number of bytes in all.
 * @throws ExecutionError `invalid_output` at the first byte beyond.
 */
export async function* takeAtMost(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw oversizedOutput(maxBytes);
    yield chunk;
  }
}

/** The first bytes, for showing: what has come of at most `maxBytes` when the body ends, breaks or `maxMs` are over. */
export async function readHead(body: Readable, maxBytes: number, maxMs: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(), maxMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch {
    // a broken body says less than its status does
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}

function ignore(): void {
  // the reader of the stream is told
}
