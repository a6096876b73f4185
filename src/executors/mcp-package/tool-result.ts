import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { ContractTool } from "../../core/tool-contract.js";
import { upstreamFault } from "../http-request/upstream-fault.js";
import { assertStorable, oversizedOutput } from "../script/output-value.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import type { ValidateValue } from "./tool-call.js";

/** Images, sounds and files beyond this become artifacts. */
const MOST_INLINE_BYTES = 16 * 1024;
const MOST_ERROR_CHARS = 2_000;
const MOST_DETAIL_CHARS = 64 * 1024;
/** How servers of the official SDK say that arguments are bad: as a result, not as an error. */
const INVALID_PARAMS = /^MCP error -32602\b/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
const EXTENSIONS: Readonly<Record<string, string>> = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
  "audio/wav": "wav",
  "audio/mpeg": "mp3",
  "application/pdf": "pdf",
  "application/gzip": "gz",
  "application/zip": "zip",
  "application/json": "json",
  "text/plain": "txt",
};

/**
 * The step's output: `{ content, structuredContent?, isError: false }`.
 * @throws ExecutionError `invalid_input` where the server refuses the arguments, `upstream_error` for every other
 * result that is an error, `invalid_output` for structured content that its schema refuses or an output too large.
 */
export async function toToolOutput(
  result: CallToolResult,
  tool: ContractTool,
  context: Pick<ExecutionContext, "artifacts" | "limits">,
  validate: ValidateValue | undefined,
): Promise<JsonObject> {
  const raw = result.content as unknown as JsonObject[];
  if (result.isError === true) throw toResultError(raw, result.structuredContent as JsonObject | undefined);
  const structured = result.structuredContent as JsonObject | undefined;
  if (tool.outputSchema) await checkStructured(tool.outputSchema, structured, validate);
  const content: JsonValue[] = [];
  for (const [index, item] of raw.entries()) content.push(await keepLarge(item, index, context));
  const output = {
    content,
    ...(structured !== undefined && { structuredContent: structured }),
    isError: false,
  };
  assertStorable(output);
  const { maxOutputBytes } = context.limits;
  if (Buffer.byteLength(JSON.stringify(output)) > maxOutputBytes) throw oversizedOutput(maxOutputBytes);
  return output;
}

function toResultError(content: readonly JsonObject[], structured: JsonObject | undefined): ExecutionError {
  const text = content
    .map((item) => (typeof item["text"] === "string" ? item["text"] : ""))
    .join("\n")
    .trim();
  const shown = text.slice(0, MOST_ERROR_CHARS) || "no text says why";
  const whole = { content: [...content], ...(structured && { structuredContent: structured }) };
  const details: JsonObject =
    JSON.stringify(whole).length <= MOST_DETAIL_CHARS
      ? whole
      : { content: [{ type: "text", text: text.slice(0, MOST_DETAIL_CHARS / 4) }] };
  return INVALID_PARAMS.test(text)
    ? new ExecutionError("invalid_input", `The tool refused its arguments: ${shown}`, { details })
    : new ExecutionError("upstream_error", `The tool failed: ${shown}`, { details });
}

async function checkStructured(
  schema: JsonObject,
  value: JsonObject | undefined,
  validate: ValidateValue | undefined,
): Promise<void> {
  if (value === undefined) {
    throw new ExecutionError("invalid_output", "The tool has an output schema and gave no structuredContent");
  }
  const faults = (await validate?.(schema, value).catch(() => [])) ?? [];
  const [first] = faults;
  if (!first) return;
  const errors = faults.map(({ path, message }) => ({ path: `/structuredContent${path}`, message }));
  throw new ExecutionError("invalid_output", `Output /structuredContent${first.path} ${first.message}`, {
    details: { errors },
  });
}

/** An item whose bytes have become an artifact, or the item as it is. */
async function keepLarge(
  item: JsonObject,
  index: number,
  context: Pick<ExecutionContext, "artifacts">,
): Promise<JsonObject> {
  if (item["type"] === "image" || item["type"] === "audio") {
    const { data, ...rest } = item;
    const artifact = await keepBytes(data, item["mimeType"], `${item["type"]}-${index + 1}`, context);
    return artifact ? { ...rest, artifact } : item;
  }
  const { resource } = item;
  if (item["type"] !== "resource" || !isJsonObject(resource) || typeof resource["blob"] !== "string")
    return item;
  const { blob, ...rest } = resource;
  const named = /([^/\\]{1,200})$/.exec(String(resource["uri"] ?? ""))?.[1];
  const artifact = await keepBytes(blob, resource["mimeType"], named ?? `resource-${index + 1}`, context);
  return artifact ? { ...item, resource: { ...rest, artifact } } : item;
}

async function keepBytes(
  data: JsonValue | undefined,
  mimeType: JsonValue | undefined,
  name: string,
  context: Pick<ExecutionContext, "artifacts">,
): Promise<JsonObject | undefined> {
  if (typeof data !== "string" || !BASE64.test(data)) throw upstreamFault("sent bytes that are no base64");
  if (data.length * 0.75 <= MOST_INLINE_BYTES) return undefined;
  const contentType = toMediaType(mimeType);
  const extension =
    contentType && Object.hasOwn(EXTENSIONS, contentType) ? EXTENSIONS[contentType] : undefined;
  const isNamed = /\.[A-Za-z0-9]{1,10}$/.test(name);
  const full = extension === undefined || isNamed ? name : `${name}.${extension}`;
  const content = { name: full, ...(contentType && { contentType }) };
  return { ...(await context.artifacts.save(content, Buffer.from(data, "base64"))) };
}

/** A type that can stand in a header, or undefined. */
function toMediaType(value: JsonValue | undefined): string | undefined {
  const text = typeof value === "string" ? value.trim().toLowerCase() : "";
  return /^[\w.+-]{1,100}\/[\w.+-]{1,100}$/.test(text) ? text : undefined;
}
