import type { Agent, Dispatcher } from "undici";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { matchesHosts } from "../../outgoing/host-patterns.js";
import { createOutgoingAgent } from "../../outgoing/outgoing-agent.js";
import {
  createOutgoingGuard,
  type OutgoingGuard,
  OutgoingRefusedError,
  REFUSAL,
  type ResolveName,
} from "../../outgoing/outgoing-guard.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import { buildFirstHop, type Hop } from "./build-hop.js";
import { decodeBody, readHead } from "./decode-body.js";
import { type HttpRequest, parseHttpRequest } from "./definition.js";
import { isExpectedStatus } from "./expected-status.js";
import { decodeText, parseMediaType } from "./media-type.js";
import { nextHop } from "./next-hop.js";
import { readBody } from "./read-response.js";
import { networkFault, statusFault, upstreamFault } from "./upstream-fault.js";

const MOST_REDIRECTS = 5;
const SHOWN_ERROR_BYTES = 2_048;
const SHOWN_ERROR_MS = 5_000;

/** The world of one execution of `builtin:http`. */
export interface HttpRequestContext extends Pick<ExecutionContext, "signal" | "emit" | "workdir" | "limits"> {
  /** For each secret among the inputs that is bound to hosts: those hosts. The inputs are sent to no other. */
  readonly secretHosts?: readonly (readonly string[])[];
}

/** The step `builtin:http`. */
export interface HttpRequestBuiltin {
  /**
   * Makes one HTTP request, with its redirects, and gives `{ status, headers, body }`, or `artifact` in place of
   * `body` for what became a file.
   * @throws ExecutionError `invalid_input` with `details.errors`, `upstream_error`, `timeout`, `invalid_output`; the
   * signal's reason when it is aborted.
   */
  execute(input: JsonObject, context: HttpRequestContext): Promise<JsonValue>;
  /** Ends all connections, those in use too. */
  close(): Promise<void>;
}

/** What the builtin depends on. */
export interface HttpRequestDeps {
  /** The setting `ALLOWED_HOSTS_PRIVATE`. */
  readonly allowedPrivateHosts?: readonly string[];
  /** Default: the system's resolver. */
  readonly resolveName?: ResolveName;
}

interface Exchange {
  readonly agent: Agent;
  readonly guard: OutgoingGuard;
  readonly request: HttpRequest;
  readonly context: HttpRequestContext;
  /** The context's, and the request's own time limit. */
  readonly signal: AbortSignal;
}

/** Makes the builtin; its connections are kept alive between executions. */
export function createHttpRequestBuiltin(deps: HttpRequestDeps = {}): HttpRequestBuiltin {
  const guard = createOutgoingGuard(deps);
  const agent = createOutgoingAgent({ guard, keepsConnections: false });
  return {
    async execute(input, context) {
      context.signal.throwIfAborted();
      const parsed = parseHttpRequest(input, guard);
      if ("faults" in parsed) throw invalidInput(parsed.faults);
      const { request } = parsed;
      const limit =
        request.timeoutSeconds === undefined ? [] : [AbortSignal.timeout(request.timeoutSeconds * 1_000)];
      const signal = AbortSignal.any([context.signal, ...limit]);
      try {
        return await runExchange({ agent, guard, request, context, signal });
      } catch (error) {
        context.signal.throwIfAborted();
        if (!signal.aborted) throw error;
        throw new ExecutionError("timeout", `The request took longer than ${request.timeoutSeconds} seconds`);
      }
    },
    close: () => agent.destroy(),
  };
}

async function runExchange(exchange: Exchange): Promise<JsonValue> {
  const { hop, response } = await follow(exchange);
  const { request, context } = exchange;
  const { statusCode: status, headers } = response;
  const header = (name: string): string | undefined => [headers[name] ?? []].flat()[0];
  const encoding = hasBody(hop, status) ? header("content-encoding") : undefined;
  const stream = decodeBody(response.body, encoding);
  if (!isExpectedStatus(status, request.expectedStatus)) {
    const head = await readHead(stream, SHOWN_ERROR_BYTES, SHOWN_ERROR_MS);
    exchange.signal.throwIfAborted();
    const body = decodeText(head, parseMediaType(header("content-type")).charset);
    throw statusFault(status, { body, retryAfter: header("retry-after") });
  }
  const length = hasBody(hop, status) && encoding === undefined ? header("content-length") : undefined;
  try {
    const content = await readBody(stream, {
      responseType: request.responseType,
      contentType: header("content-type"),
      announcedBytes: length === undefined ? undefined : Number(length),
      workdir: context.workdir,
      maxOutputBytes: context.limits.maxOutputBytes,
    });
    return { status, headers: Object.fromEntries(Object.entries(headers)) as JsonObject, ...content };
  } catch (error) {
    if (error instanceof ExecutionError || isFileFault(error)) throw error;
    throw networkFault(error, hop.url.origin);
  }
}

/** Requests, and follows where the answers lead; each hop is judged like the first. */
async function follow(exchange: Exchange): Promise<{ hop: Hop; response: Dispatcher.ResponseData }> {
  const { guard, request, context } = exchange;
  let hop = buildFirstHop(request);
  for (let redirects = 0; ; redirects += 1) {
    assertSecretsMayGo(hop, context.secretHosts ?? []);
    const response = await send(exchange, hop, redirects === 0);
    context.emit.log("system", `${hop.method} ${hop.url.origin}${hop.url.pathname} → ${response.statusCode}`);
    const location = [response.headers["location"] ?? []].flat()[0];
    try {
      const next = request.followRedirects ? nextHop(hop, response.statusCode, location) : undefined;
      if (!next) return { hop, response };
      if (redirects === MOST_REDIRECTS) throw upstreamFault(`redirected more than ${MOST_REDIRECTS} times`);
      const fault = guard.findUrlFault(next.url.href);
      if (fault !== undefined) throw upstreamFault(`redirected to a URL that ${fault}`);
      discard(response);
      hop = next;
    } catch (error) {
      discard(response);
      throw error;
    }
  }
}

async function send(exchange: Exchange, hop: Hop, isFirst: boolean): Promise<Dispatcher.ResponseData> {
  const { agent, signal } = exchange;
  const { origin, pathname, search } = hop.url;
  try {
    return await agent.request({
      origin,
      path: pathname + search,
      method: hop.method,
      headers: { ...hop.headers },
      body: hop.body ?? null,
      signal,
    });
  } catch (error) {
    if (!(error instanceof OutgoingRefusedError)) throw networkFault(error, origin);
    if (isFirst) throw invalidInput([{ path: "/url", message: REFUSAL }]);
    throw upstreamFault(`redirected to a URL that ${REFUSAL}`);
  }
}

/** Only where the inputs go, their secrets do; a redirect to another origin leaves them behind. */
function assertSecretsMayGo({ url, isTrusted }: Hop, secretHosts: readonly (readonly string[])[]): void {
  if (!isTrusted || secretHosts.every((hosts) => matchesHosts(url, hosts))) return;
  const message = `names a host that a secret of this step may not be sent to: ${url.host}`;
  throw invalidInput([{ path: "/url", message }]);
}

function hasBody({ method }: Hop, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

function discard({ body }: Dispatcher.ResponseData): void {
  body.on("error", () => undefined).destroy();
}

function invalidInput(
  errors: readonly { readonly path: string; readonly message: string }[],
): ExecutionError {
  const [first] = errors;
  return new ExecutionError("invalid_input", `Input ${first?.path || "/"} ${first?.message}`, {
    details: { errors: errors.map(({ path, message }) => ({ path, message })) },
  });
}

/** A full or broken disk is our fault, not the server's. */
function isFileFault(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === "string" && "path" in (error as object);
}
