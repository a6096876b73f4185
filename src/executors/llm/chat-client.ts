import OpenAI from "openai";
import { type Agent, fetch as undiciFetch, type RequestInit, type Response } from "undici";
import { HIDDEN_TEXT } from "../../core/hidden-text.js";
import { OutgoingRefusedError, REFUSAL } from "../../outgoing/outgoing-guard.js";
import { ExecutionError } from "../types.js";
import type { LlmProvider } from "./llm-ports.js";

/** Bounds of one exchange with a provider. */
export interface ExchangeLimits {
  /** Longest silence: until the answer begins, and between its parts. */
  readonly stallMs: number;
}

/** An exchange that ended badly before or while its answer came. */
export class ExchangeError extends Error {
  /** What the provider may be asked again for. */
  readonly isTransient: boolean;
  readonly status: number | undefined;
  /** The value of `Retry-After`. */
  readonly retryAfter: string | undefined;

  constructor(
    message: string,
    options: { isTransient: boolean; status?: number; retryAfter?: string | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.name = "ExchangeError";
    this.isTransient = options.isTransient;
    this.status = options.status;
    this.retryAfter = options.retryAfter;
  }
}

const MOST_ANSWER_BYTES = 64 * 1024 * 1024;
/** The SDK joins the pieces of a line anew with each: a line without end would keep it busy for minutes. */
const MOST_LINE_BYTES = 4 * 1024 * 1024;
const ERROR_BODY_BYTES = 64 * 1024;
/** The SDK's own limit would be ten minutes; stalls and the step's signal are ours. */
const NEVER_MS = 2_147_483_647;
const SILENT = { error: ignore, warn: ignore, info: ignore, debug: ignore };

/**
 * The SDK for one exchange with a provider. It reads no environment, makes no retries of its own, follows no redirect (the
 * key would go along), connects only where the agent's guard lets it, and gives up what stalls or never ends.
 */
export function createChatClient(agent: Agent, provider: LlmProvider, limits: ExchangeLimits): OpenAI {
  const { apiKey, baseUrl, headers } = provider;
  return new OpenAI({
    apiKey: apiKey ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    baseURL: baseUrl,
    defaultHeaders: { ...(apiKey === undefined ? { Authorization: null } : {}), ...headers },
    maxRetries: 0,
    timeout: NEVER_MS,
    logLevel: "off",
    logger: SILENT,
    fetch: (async (url: string, init: RequestInit) =>
      await fetchGuarded(agent, String(url), init, limits)) as unknown as typeof fetch,
  });
}

async function fetchGuarded(
  agent: Agent,
  url: string,
  init: RequestInit,
  limits: ExchangeLimits,
): Promise<globalThis.Response> {
  const stall = startStallWatch(limits.stallMs);
  init.signal?.addEventListener("abort", stall.stop, { once: true });
  const signals = [init.signal, stall.signal].filter((signal) => signal instanceof AbortSignal);
  let response: Response;
  try {
    const signal = AbortSignal.any(signals);
    response = await undiciFetch(url, { ...init, signal, redirect: "manual", dispatcher: agent });
  } catch (error) {
    stall.stop();
    throw toNetworkFault(stall.signal.aborted ? stall.signal.reason : error);
  }
  if (response.status >= 300 && response.status < 400) {
    stall.stop();
    await response.body?.cancel();
    const message = `answered ${response.status}, a redirect, which is not followed`;
    throw new ExchangeError(message, { isTransient: false, status: response.status });
  }
  const maxBytes = response.ok ? MOST_ANSWER_BYTES : ERROR_BODY_BYTES;
  const body = response.body && watch(response.body as ReadableStream<Uint8Array>, stall, maxBytes);
  const { status, statusText, headers } = response;
  return new globalThis.Response(body, { status, statusText, headers: [...headers] });
}

interface StallWatch {
  readonly signal: AbortSignal;
  /** Something has come. */
  touch(): void;
  stop(): void;
}

function startStallWatch(stallMs: number): StallWatch {
  const controller = new AbortController();
  const fault = () =>
    controller.abort(new ExchangeError(`was silent for ${stallMs / 1000} seconds`, { isTransient: true }));
  let timer = setTimeout(fault, stallMs);
  return {
    signal: controller.signal,
    touch() {
      clearTimeout(timer);
      timer = setTimeout(fault, stallMs);
    },
    stop: () => clearTimeout(timer),
  };
}

/** The same bytes; an error when nothing comes for long, or too much. */
function watch(
  body: ReadableStream<Uint8Array>,
  stall: StallWatch,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  let lineBytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          stall.stop();
          return controller.close();
        }
        stall.touch();
        bytes += value.byteLength;
        const newline = value.lastIndexOf(0x0a);
        lineBytes = newline < 0 ? lineBytes + value.byteLength : value.byteLength - newline;
        if (bytes > maxBytes || lineBytes > MOST_LINE_BYTES) {
          throw new ExchangeError("sent an answer that is too large", { isTransient: false });
        }
        controller.enqueue(value);
      } catch (error) {
        stall.stop();
        await reader.cancel().catch(ignore);
        controller.error(stall.signal.aborted ? stall.signal.reason : toNetworkFault(error));
      }
    },
    async cancel() {
      stall.stop();
      await reader.cancel().catch(ignore);
    },
  });
}

/** Whatever broke an exchange, in words for users; what the provider wrote is shown without the key. */
export function toExchangeError(error: unknown, provider: LlmProvider): ExchangeError {
  const own = findOwn(error);
  if (own) return own;
  if (error instanceof OpenAI.APIError && error.status !== undefined) {
    const { status } = error as { status: number };
    const isTransient = status === 408 || status === 409 || status === 429 || status >= 500;
    const retryAfter = (error.headers as Headers | undefined)?.get("retry-after") ?? undefined;
    const said = hideCredentials(describe(error), provider);
    return new ExchangeError(`answered ${status}${said ? `: ${said}` : ""}`, {
      isTransient,
      status,
      retryAfter,
    });
  }
  if (error instanceof OpenAI.APIError && !(error instanceof OpenAI.APIConnectionError)) {
    // an error that came inside the stream
    const said = hideCredentials(describe(error), provider);
    return new ExchangeError(`broke its answer off: ${said}`, { isTransient: true });
  }
  if (error instanceof SyntaxError) {
    return new ExchangeError("sent an answer that is no JSON", { isTransient: true, cause: error });
  }
  return toNetworkFault(error);
}

/** The SDK wraps what its `fetch` throws. */
function findOwn(error: unknown): ExchangeError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (at instanceof ExchangeError) return at;
  }
  return undefined;
}

const MOST_SHOWN = 1_000;

function describe(error: { readonly error?: unknown; readonly message: string }): string {
  const { message } = (error.error ?? {}) as { message?: unknown };
  const text = typeof message === "string" ? message : error.message.replace(/^\d{3} /, "");
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

/** Without the key and the headers' values, of which providers like to quote parts. */
function hideCredentials(text: string, { apiKey, headers }: Pick<LlmProvider, "apiKey" | "headers">): string {
  const secrets = [apiKey ?? "", ...Object.values(headers)].filter((secret) => secret.length >= 4);
  const whole = secrets.reduce((shown, secret) => shown.replaceAll(secret, HIDDEN_TEXT), text);
  // "Incorrect API key provided: sk-proj-****abcd"
  return whole.replace(/\bsk-[A-Za-z0-9_*-]{4,}/g, HIDDEN_TEXT);
}

function toNetworkFault(error: unknown): ExchangeError {
  if (error instanceof ExchangeError) return error;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth += 1) {
    if (at instanceof OutgoingRefusedError) {
      return new ExchangeError(`has a base URL that ${REFUSAL}`, { isTransient: false, cause: error });
    }
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string" && code !== "") {
      return new ExchangeError(`cannot be reached (${code})`, { isTransient: true, cause: error });
    }
  }
  return new ExchangeError("broke the connection", { isTransient: true, cause: error });
}

/** The error of an execution whose provider failed for good. */
export function toProviderFault(
  error: ExchangeError,
  provider: LlmProvider,
  details: { readonly tries: number },
): ExecutionError {
  const { status } = error;
  return new ExecutionError("upstream_error", `The provider ${provider.name} ${error.message}`, {
    details: { ...(status === undefined ? {} : { status }), tries: details.tries },
    retryable: error.isTransient,
    cause: error,
  });
}

function ignore(): void {
  // the reader of the stream is told
}
