import { setTimeout as sleep } from "node:timers/promises";
import type { ZodType } from "zod";
import { z } from "zod";
import { CliError } from "./cli-error.js";
import { parseEventStream } from "./event-stream.js";

const problemSchema = z.looseObject({
  title: z.string().optional(),
  detail: z.string().optional(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

/** A refusal by the API: its problem document, in words. */
export class ApiError extends CliError {
  readonly status: number;
  readonly faults: readonly { path: string; message: string }[];

  constructor(status: number, body: unknown) {
    const problem = problemSchema.safeParse(body).data ?? {};
    const faults = problem.errors ?? [];
    const lines = faults.map((fault) => `  ${fault.path || "(body)"}: ${fault.message}`);
    super([`${problem.detail ?? problem.title ?? "The API refused"} (HTTP ${status})`, ...lines].join("\n"), {
      details: body,
    });
    this.name = "ApiError";
    this.status = status;
    this.faults = faults;
  }
}

/** One call. */
export interface ApiCall {
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the call is given up; 30 s by default. */
  readonly timeoutMs?: number;
}

/** A frame of a followed stream. */
export interface StreamFrame {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Headrace's HTTP API, for the command line. */
export interface ApiClient {
  readonly url: string;
  /** Calls the API and parses its answer. @throws ApiError when it refuses, CliError when it is not there. */
  call<T>(method: string, path: string, shape: ZodType<T>, call?: ApiCall): Promise<T>;
  /** The same for things that may not exist: undefined on 404. */
  find<T>(path: string, shape: ZodType<T>): Promise<T | undefined>;
  /** Walks all pages of a list, up to `most` items. */
  list<T>(
    path: string,
    shape: ZodType<T>,
    options?: { query?: ApiCall["query"]; most?: number },
  ): Promise<T[]>;
  /** An artifact's bytes. */
  download(path: string): Promise<Uint8Array>;
  /** Follows a stream of events to its `end`, over lost connections, without losing or doubling any. */
  follow(path: string, signal?: AbortSignal): AsyncGenerator<StreamFrame>;
}

const MOST_RECONNECTS = 20;

/** A client of the API at `url`. `token` is an API key or an access token. */
export function createApiClient(options: { url: string; token: string | undefined }): ApiClient {
  const base = options.url.replace(/\/+$/, "");

  async function send(method: string, path: string, call: ApiCall = {}): Promise<Response> {
    const url = new URL(`${base}${path}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item !== undefined) url.searchParams.append(name, String(item));
      }
    }
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (options.token) headers["authorization"] = `Bearer ${options.token}`;
    if (call.body !== undefined) headers["content-type"] = "application/json";
    return await reach(base, () =>
      fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(call.timeoutMs ?? 30_000),
        redirect: "error",
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      }),
    );
  }

  async function call<T>(method: string, path: string, shape: ZodType<T>, options_?: ApiCall): Promise<T> {
    const response = await send(method, path, options_);
    const body = await readJson(response);
    if (!response.ok) throw new ApiError(response.status, body);
    const parsed = shape.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new CliError(
      `${base} answered ${method} ${path} with something that is not Headrace's: ${z.prettifyError(parsed.error)}`,
    );
  }

  return {
    url: base,
    call,
    async find(path, shape) {
      try {
        return await call("GET", path, shape);
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
    },
    list: (path, shape, options_ = {}) => listAll(call, path, shape, options_),
    async download(path) {
      const response = await send("GET", path, { timeoutMs: 300_000 });
      if (!response.ok) throw new ApiError(response.status, await readJson(response));
      return new Uint8Array(await response.arrayBuffer());
    },
    follow: (path, signal) => followStream({ base, token: options.token, path, signal }),
  };
}

async function listAll<T>(
  call: ApiClient["call"],
  path: string,
  shape: ZodType<T>,
  { query = {}, most = Number.POSITIVE_INFINITY }: { query?: ApiCall["query"]; most?: number },
): Promise<T[]> {
  const page = z.object({ items: z.array(shape), nextCursor: z.string().nullable() });
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(200, most - items.length);
    const answer = await call("GET", path, page, { query: { ...query, limit, cursor } });
    items.push(...answer.items);
    cursor = answer.nextCursor ?? undefined;
  } while (cursor !== undefined && items.length < most);
  return items;
}

async function* followStream(options: {
  base: string;
  token: string | undefined;
  path: string;
  signal: AbortSignal | undefined;
}): AsyncGenerator<StreamFrame> {
  let lastId: string | undefined;
  let failures = 0;
  while (!options.signal?.aborted) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (options.token) headers["authorization"] = `Bearer ${options.token}`;
      if (lastId !== undefined) headers["last-event-id"] = lastId;
      const response = await fetch(`${options.base}${options.path}`, {
        headers,
        redirect: "error",
        ...(options.signal ? { signal: options.signal } : {}),
      });
      if (response.status === 204) return;
      if (!response.ok || !response.body) {
        const refusal = new ApiError(response.status, await readJson(response));
        if (response.status < 500 && response.status !== 429) throw refusal;
        throw new TypeError(refusal.message);
      }
      for await (const frame of parseEventStream(response.body)) {
        failures = 0;
        if (frame.event === "end") return;
        if (frame.id !== undefined) lastId = frame.id;
        yield frame;
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      // fetch reports a lost connection as a TypeError; anything else is not mended by another try
      if (!(error instanceof TypeError) || failures >= MOST_RECONNECTS)
        throw asUnreachable(options.base, error);
    }
    failures += 1;
    await sleep(Math.min(250 * 2 ** failures, 5000), undefined, {
      ...(options.signal ? { signal: options.signal } : {}),
    }).catch(() => undefined); // aborted: the loop's condition ends it
  }
}

async function reach(base: string, send: () => Promise<Response>): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    throw asUnreachable(base, error);
  }
}

function asUnreachable(base: string, error: unknown): Error {
  if (error instanceof CliError) return error;
  if (error instanceof Error && error.name === "TimeoutError") {
    return new CliError(`${base} did not answer in time.`, { cause: error });
  }
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  return new CliError(
    `Headrace is not reachable at ${base}${cause?.code ? ` (${cause.code})` : ""}. ` +
      "Start it with npm start, or set HEADRACE_URL.",
    { cause: error },
  );
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 300) }; // a proxy's HTML page, for one
  }
}
