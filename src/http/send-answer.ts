import type { Response } from "express";
import type { RouteResponse } from "./route.js";

/** Sets an answer's status and headers. */
export function applyHeaders(response: Response, answer: RouteResponse): void {
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    response.setHeader(name, typeof value === "string" ? value : [...value]);
  }
  response.statusCode = answer.status;
}

/** Sends an answer that is no stream: JSON, or text and bytes as they are. */
export function sendAnswer(response: Response, answer: RouteResponse): void {
  applyHeaders(response, answer);
  if (answer.body === undefined) {
    response.end();
    return;
  }
  const isRaw =
    response.hasHeader("Content-Type") && (typeof answer.body === "string" || Buffer.isBuffer(answer.body));
  if (!response.hasHeader("Content-Type"))
    response.setHeader("Content-Type", "application/json; charset=utf-8");
  const bytes = Buffer.from(isRaw ? (answer.body as string) : JSON.stringify(answer.body));
  response.setHeader("Content-Length", bytes.length);
  response.end(response.req.method === "HEAD" ? undefined : bytes);
}
