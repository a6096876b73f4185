import { ApiError, toApiError, unreachable } from "./problem.js";
import { CSRF_HEADERS, goToSignIn, refreshSession } from "./session.js";

/** A request to the API. */
export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Undefined members and empty texts are left out; arrays are repeated. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, with `contentType`, in place of `body`. */
  readonly text?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `If-Match`, so that somebody else's change is not overwritten. */
  readonly revision?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a query may hold. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;

/** Where all of it lives. */
const BASE = "/api/v1";

/**
 * Asks the API as any client would: by session cookie, changes with the CSRF header. A spent session is refreshed and
 * the request sent once more; where that fails, the sign-in page takes over.
 * @param path after `/api/v1`
 * @throws ApiError
 */
export async function apiRequest<Answer>(path: string, request: ApiRequest = {}): Promise<Answer> {
  const response = await send(path, request);
  if (response.status === 204) return undefined as Answer;
  const type = response.headers.get("content-type") ?? "";
  return (type.includes("json") ? await response.json() : await response.text()) as Answer;
}

/** The same, answering the response itself: its headers, or a body that is no JSON. @throws ApiError */
export async function send(path: string, request: ApiRequest = {}): Promise<Response> {
  let response = await attempt(path, request);
  if (response.status === 401 && (await refreshSession())) response = await attempt(path, request);
  if (response.ok) return response;
  if (response.status === 401) goToSignIn();
  throw await toApiError(response);
}

async function attempt(path: string, request: ApiRequest): Promise<Response> {
  const { method = "GET", signal } = request;
  const body = request.text ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
  const headers: Record<string, string> = {
    Accept: "application/json",
    ...(method === "GET" ? {} : CSRF_HEADERS),
    ...(body === undefined ? {} : { "Content-Type": request.contentType ?? "application/json" }),
    ...(request.revision === undefined ? {} : { "If-Match": `"${request.revision}"` }),
    ...request.headers,
  };
  try {
    return await fetch(apiUrl(path, request.query), {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw error instanceof ApiError ? error : unreachable();
  }
}

/** The URL of a call, for links and downloads. */
export function apiUrl(path: string, query: ApiRequest["query"] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== "") search.append(name, String(each));
    }
  }
  const text = search.toString();
  return `${BASE}${path}${text === "" ? "" : `?${text}`}`;
}
