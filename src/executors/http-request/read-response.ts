import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { assertStorable, oversizedOutput } from "../script/output-value.js";
import { takeAtMost } from "./decode-body.js";
import type { HttpRequest } from "./definition.js";
import { decodeText, extensionOf, isPlainText, type MediaType, parseMediaType } from "./media-type.js";
import { upstreamFault } from "./upstream-fault.js";

/** Text beyond this becomes a file, unless the step asks for it as a value. */
const MOST_TEXT_BYTES = 1024 * 1024;

/** What the body becomes, and where its file would go. */
export interface ReadOptions {
  readonly responseType: HttpRequest["responseType"];
  readonly contentType: string | undefined;
  /** The `Content-Length`, where it counts the bytes of the body as they will be read. */
  readonly announcedBytes: number | undefined;
  readonly workdir: string;
  readonly maxOutputBytes: number;
}

/**
 * What a step's output says of a response's body: `{ body }`, or `{ artifact: { name, contentType, sizeBytes } }`
 * once it is a file in the work folder's `artifacts/`. No more than `maxOutputBytes` are read.
 * @throws ExecutionError `invalid_output` beyond the limit or for values that cannot be stored, `upstream_error` for
 * JSON that is none; what the stream throws.
 */
export async function readBody(stream: Readable, options: ReadOptions): Promise<JsonObject> {
  const { responseType, maxOutputBytes } = options;
  const type = parseMediaType(options.contentType);
  if (options.announcedBytes !== undefined && options.announcedBytes > maxOutputBytes) {
    stream.destroy();
    throw oversizedOutput(maxOutputBytes);
  }
  const chunks = takeAtMost(stream as AsyncIterable<Buffer>, maxOutputBytes);
  try {
    const isFile = responseType === "artifact" || (responseType === "auto" && type.kind === "binary");
    if (isFile) return await saveFile([], chunks, type, options);
    const mostBytes = responseType === "auto" ? MOST_TEXT_BYTES : Number.POSITIVE_INFINITY;
    const { head, isWhole } = await collect(chunks, mostBytes);
    if (!isWhole) return await saveFile(head, chunks, type, options);
    return await present(Buffer.concat(head), type, options);
  } finally {
    // ends the response where it was not read to its end
    await chunks.return(undefined);
  }
}

async function present(bytes: Buffer, type: MediaType, options: ReadOptions): Promise<JsonObject> {
  const { responseType } = options;
  if (bytes.length === 0 && responseType !== "text") return { body: null };
  if (responseType === "json" || (responseType === "auto" && type.kind === "json")) {
    return { body: parseJson(bytes) };
  }
  if (responseType === "text") return { body: decodeText(bytes, type.charset) };
  const isText = type.kind === "unknown" ? isPlainText(bytes) : isReadable(bytes, type);
  return isText ? { body: decodeText(bytes, type.charset) } : await saveFile([bytes], [], type, options);
}

/** What is declared as text may still be none; encodings of two bytes a character are full of zeros. */
function isReadable(bytes: Buffer, type: MediaType): boolean {
  return !bytes.includes(0) || /^(?:utf-16|ucs-2|unicode|iso-10646)/i.test(type.charset);
}

function parseJson(bytes: Buffer): JsonValue {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw upstreamFault('sent no valid JSON (responseType "text" takes it as it is)');
  }
  return assertStorable(value);
}

/** Reads until the end, or until more than `mostBytes` are held. */
async function collect(
  chunks: AsyncGenerator<Buffer>,
  mostBytes: number,
): Promise<{ head: Buffer[]; isWhole: boolean }> {
  const head: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) return { head, isWhole: true };
    head.push(value);
    bytes += value.length;
    if (bytes > mostBytes) return { head, isWhole: false };
  }
}

/** The name says nothing of the URL, which may hold secrets. */
async function saveFile(
  head: readonly Buffer[],
  rest: AsyncIterable<Buffer> | Iterable<Buffer>,
  type: MediaType,
  { workdir }: ReadOptions,
): Promise<JsonObject> {
  const folder = join(workdir, "artifacts");
  const name = `response.${extensionOf(type)}`;
  let sizeBytes = 0;
  async function* all(): AsyncGenerator<Buffer> {
    for await (const chunk of concat(head, rest)) {
      sizeBytes += chunk.length;
      yield chunk;
    }
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), all(), { flag: "wx" });
  return { artifact: { name, contentType: type.name || "application/octet-stream", sizeBytes } };
}

async function* concat(
  head: Iterable<Buffer>,
  rest: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}
