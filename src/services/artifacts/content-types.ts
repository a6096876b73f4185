/** Types by extension. What user code wrote is never trusted to be what its name says: see the route's headers. */
const TYPE_BY_EXTENSION: Readonly<Record<string, string>> = {
  txt: "text/plain; charset=utf-8",
  log: "text/plain; charset=utf-8",
  md: "text/markdown; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  tsv: "text/tab-separated-values; charset=utf-8",
  html: "text/html; charset=utf-8",
  htm: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  py: "text/x-python; charset=utf-8",
  ts: "text/x-typescript; charset=utf-8",
  sql: "application/sql",
  json: "application/json",
  ndjson: "application/x-ndjson",
  jsonl: "application/x-ndjson",
  ipynb: "application/x-ipynb+json",
  yaml: "application/yaml",
  yml: "application/yaml",
  xml: "application/xml",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  pdf: "application/pdf",
  zip: "application/zip",
  gz: "application/gzip",
  tar: "application/x-tar",
  parquet: "application/vnd.apache.parquet",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  wav: "audio/wav",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
};

/** First bytes of formats that their extension may not tell. */
const SIGNATURES: readonly { readonly bytes: readonly number[]; readonly type: string }[] = [
  { bytes: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], type: "image/png" },
  { bytes: [0xff, 0xd8, 0xff], type: "image/jpeg" },
  { bytes: [0x47, 0x49, 0x46, 0x38], type: "image/gif" },
  { bytes: [0x25, 0x50, 0x44, 0x46, 0x2d], type: "application/pdf" },
  { bytes: [0x50, 0x4b, 0x03, 0x04], type: "application/zip" },
  { bytes: [0x1f, 0x8b], type: "application/gzip" },
  { bytes: [0x50, 0x41, 0x52, 0x31], type: "application/vnd.apache.parquet" },
];

const RIFF_TYPES: Readonly<Record<string, string>> = { WEBP: "image/webp", WAVE: "audio/wav" };

/** The media type of a file: by its extension, else by its first bytes (4 KiB suffice), else plain bytes. */
export function detectContentType(name: string, head: Buffer): string {
  const extension = /\.([A-Za-z0-9]{1,10})$/.exec(name)?.[1]?.toLowerCase() ?? "";
  if (Object.hasOwn(TYPE_BY_EXTENSION, extension)) return TYPE_BY_EXTENSION[extension] ?? "";
  return (
    detectSignature(head) ?? (looksLikeText(head) ? "text/plain; charset=utf-8" : "application/octet-stream")
  );
}

/** The type that the first bytes give away (16 suffice), or undefined. */
export function detectSignature(head: Buffer): string | undefined {
  // RIFF holds many formats: the name of this one comes after the length
  if (head.toString("latin1", 0, 4) === "RIFF") return RIFF_TYPES[head.toString("latin1", 8, 12)];
  return SIGNATURES.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte))?.type;
}

function looksLikeText(head: Buffer): boolean {
  if (head.length === 0 || head.includes(0)) return false;
  // the last character may be cut in half
  const text = head.toString("utf8");
  return !text.slice(0, -1).includes("\ufffd");
}
