import type { IncomingMessage } from "node:http";
import { AppError } from "../errors/app-error.js";
import { decodeText, parseJson } from "./parse-json.js";
import { parseYaml } from "./parse-yaml.js";

/** The media types that a route takes. */
export type AcceptedType = "application/json" | "application/yaml";

/** Whether a request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) > 0);
}

/**
 * Refuses a body by its headers alone, before a byte of it is read.
 * @throws AppError BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
 */
export function assertReadable(
  request: IncomingMessage,
  limit: number,
  accepts?: readonly AcceptedType[],
): void {
  const length = Number(request.headers["content-length"] ?? 0);
  if (length > limit) throw tooLarge(limit);
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new AppError("UNSUPPORTED_MEDIA_TYPE", "Send the body without Content-Encoding");
  }
  if (accepts) mediaTypeOf(request, accepts);
}

/**
 * The bytes of a body, read up to a limit.
 * @throws AppError BODY_TOO_LARGE; MALFORMED_JSON when the client goes away in the middle.
 */
export async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (finish: () => void) => {
      request.off("data", onData).off("end", onEnd).off("error", onAbort).off("close", onAbort);
      finish();
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) settle(() => reject(tooLarge(limit)));
      else chunks.push(chunk);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks)));
    const onAbort = () => settle(() => reject(new AppError("MALFORMED_JSON", "The body ended too soon")));
    request.on("data", onData).on("end", onEnd).on("error", onAbort).on("close", onAbort);
  });
}

/** A body as a value, by its media type; undefined when it is empty. */
export async function parseBody(
  request: IncomingMessage,
  bytes: Buffer,
  accepts: readonly AcceptedType[],
): Promise<unknown> {
  if (bytes.length === 0) return undefined;
  const type = mediaTypeOf(request, accepts);
  const text = decodeText(bytes);
  return type === "application/yaml" ? await parseYaml(text) : parseJson(text);
}

function mediaTypeOf(request: IncomingMessage, accepts: readonly AcceptedType[]): AcceptedType {
  const [name = "", ...parameters] = (request.headers["content-type"] ?? "").toLowerCase().split(";");
  const type = name.trim() === "application/x-yaml" ? "application/yaml" : name.trim();
  const charset = parameters.map((parameter) => parameter.trim()).find((text) => text.startsWith("charset="));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  const accepted = accepts.find((candidate) => candidate === type);
  if (accepted && isUtf8) return accepted;
  throw new AppError("UNSUPPORTED_MEDIA_TYPE", `Send the body as ${accepts.join(" or ")}, in UTF-8`);
}

function tooLarge(limit: number): AppError {
  return new AppError("BODY_TOO_LARGE", `The body may have ${limit} bytes at most`);
}
