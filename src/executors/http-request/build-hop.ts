import type { JsonValue } from "../../core/json.js";
import type { HttpRequest } from "./definition.js";

/** One request of an exchange: the first, or one that a redirect leads to. */
export interface Hop {
  readonly url: URL;
  readonly method: HttpRequest["method"];
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether it carries what the step's inputs said: headers, credentials, body. */
  readonly isTrusted: boolean;
}

type Pairs = NonNullable<HttpRequest["query"]>;

const DEFAULT_HEADERS = { accept: "*/*", "accept-encoding": "gzip, br", "user-agent": "Headrace" } as const;

/** The first request of an exchange. */
export function buildFirstHop(request: HttpRequest): Hop {
  const url = new URL(request.url);
  url.hash = "";
  for (const [name, value] of toPairs(request.query)) url.searchParams.append(name, value);
  const content = buildContent(request);
  const headers: Record<string, string> = { ...DEFAULT_HEADERS, ...content?.headers };
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  if (request.bearerToken !== undefined) headers["authorization"] = `Bearer ${request.bearerToken}`;
  if (request.basicAuth !== undefined) {
    headers["authorization"] = `Basic ${Buffer.from(request.basicAuth, "utf8").toString("base64")}`;
  }
  if (request.apiKey !== undefined) headers[request.apiKeyHeader.toLowerCase()] = request.apiKey;
  return { url, method: request.method, headers, isTrusted: true, ...(content && { body: content.body }) };
}

function buildContent({ body, form }: HttpRequest) {
  if (form !== undefined) {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { body: new URLSearchParams(toPairs(form)).toString(), headers };
  }
  if (body === undefined) return undefined;
  return typeof body === "string"
    ? { body, headers: { "content-type": "text/plain; charset=utf-8" } }
    : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

function toPairs(pairs: Pairs = {}): [string, string][] {
  return Object.entries(pairs).flatMap(([name, value]) =>
    [value]
      .flat()
      .flatMap((one: JsonValue): [string, string][] => (one === null ? [] : [[name, String(one)]])),
  );
}
