import { isUtf8 } from "node:buffer";
import { TextDecoder } from "node:util";

/** What to make of a response: data, words, or bytes; `unknown` where it does not say. */
export type ContentKind = "json" | "text" | "binary" | "unknown";

/** A `Content-Type`, taken apart. */
export interface MediaType {
  /** Lower case, without parameters; "" when there is none. */
  readonly name: string;
  readonly kind: ContentKind;
  readonly charset: string;
}

const TEXT =
  /^text\/|^application\/(?:.+\+)?(?:xml|yaml|x-yaml|javascript|ecmascript|graphql|sql|toml|x-www-form-urlencoded|x-ndjson|ndjson|jsonl|x-sh)$/;
const JSON_TYPE = /^(?:application|text|model|image)\/(?:.+\+)?json$/;

/** Endings by which the artifact store tells the same type again. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "application/json": "json",
  "application/x-ndjson": "ndjson",
  "application/xml": "xml",
  "text/xml": "xml",
  "text/html": "html",
  "text/csv": "csv",
  "text/tab-separated-values": "tsv",
  "text/markdown": "md",
  "text/plain": "txt",
  "application/yaml": "yaml",
  "application/sql": "sql",
  "image/svg+xml": "svg",
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "application/pdf": "pdf",
  "application/zip": "zip",
  "application/gzip": "gz",
  "application/x-gzip": "gz",
  "application/x-tar": "tar",
  "application/vnd.apache.parquet": "parquet",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "audio/wav": "wav",
  "audio/mpeg": "mp3",
  "video/mp4": "mp4",
};

/** Reads a `Content-Type` header; anything that is not one counts as none. */
export function parseMediaType(header: string | undefined): MediaType {
  const [, raw = ""] = /^\s*([\w.+-]{1,100}\/[\w.+-]{1,100})\s*(?:;|$)/.exec(header ?? "") ?? [];
  const name = raw.toLowerCase();
  const [, charset = "utf-8"] = /;\s*charset="?([\w:.-]{1,40})"?/i.exec(header ?? "") ?? [];
  const kind = JSON_TYPE.test(name) ? "json" : TEXT.test(name) ? "text" : name === "" ? "unknown" : "binary";
  return { name, kind, charset };
}

/** The ending of a file of this type. */
export function extensionOf({ name, kind }: MediaType): string {
  const known = Object.hasOwn(EXTENSIONS, name) ? EXTENSIONS[name] : undefined;
  return known ?? (kind === "json" ? "json" : kind === "text" ? "txt" : "bin");
}

/** Text from bytes; what does not decode becomes U+FFFD, and so does NUL, which cannot be stored. */
export function decodeText(bytes: Buffer, charset: string): string {
  return createDecoder(charset).decode(bytes).replaceAll("\0", "\uFFFD");
}

/** Whether bytes that do not say what they are look like text. */
export function isPlainText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function createDecoder(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder("utf-8");
  }
}
