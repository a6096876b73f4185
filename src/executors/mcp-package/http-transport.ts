import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { type Agent, fetch as undiciFetch } from "undici";
import { matchesHosts } from "../../outgoing/host-patterns.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import { limitResponse } from "./limited-response.js";
import type { MessageLimits } from "./message-limits.js";

/** The wire to a server at a URL. */
export interface HttpTransport extends Transport {
  /** Why the wire was cut, if that was the server's doing. */
  readonly fault: ExecutionError | undefined;
  /** Tells the server that the session is over; for at most two seconds. */
  endSession(): Promise<void>;
}

/** What the wire is made of. */
export interface HttpTransportOptions {
  readonly url: string;
  /** With the values of secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** For each secret in headers or inputs that is bound to hosts: those hosts. */
  readonly secretHosts: readonly (readonly string[])[];
  readonly limits: MessageLimits;
  readonly guard: OutgoingGuard;
  /** Made with the guard: it judges the address of every connection. */
  readonly agent: Agent;
  readonly signal: ExecutionContext["signal"];
}

const END_LIMIT_MS = 2_000;

/**
 * Streamable HTTP. Every request goes through the guard; a redirect is followed within the origin alone, and judged
 * like the first request.
 * @throws ExecutionError `invalid_input` when a secret may not be sent to the URL's host.
 */
export function createHttpTransport(options: HttpTransportOptions): HttpTransport {
  const { guard, agent, limits, secretHosts } = options;
  const url = new URL(options.url);
  if (!secretHosts.every((hosts) => matchesHosts(url, hosts))) {
    const message = `The URL names a host that a secret of this step may not be sent to: ${url.host}`;
    throw new ExecutionError("invalid_input", message);
  }
  const received = { total: 0 };
  let fault: ExecutionError | undefined;
  let isEnding = false;

  async function guardedFetch(target: string | URL, init: RequestInit = {}): Promise<Response> {
    const { href } = guard.assertPublicUrl(String(target));
    const signals = [init.signal, isEnding ? AbortSignal.timeout(END_LIMIT_MS) : undefined];
    const given = signals.filter((signal): signal is AbortSignal => signal instanceof AbortSignal);
    const response = await undiciFetch(href, {
      method: init.method ?? "GET",
      headers: Object.fromEntries(new Headers(init.headers)),
      body: typeof init.body === "string" ? init.body : null,
      redirect: "manual",
      dispatcher: agent,
      signal: AbortSignal.any(given),
    });
    return limitResponse(response as unknown as Response, limits, received, (why) => {
      fault ??= why as ExecutionError;
      void inner.close();
    });
  }

  const inner = new StreamableHTTPClientTransport(url, {
    fetch: guardedFetch,
    requestInit: { headers: { ...options.headers } },
  });
  return Object.defineProperties(inner as unknown as HttpTransport, {
    fault: { get: () => fault },
    endSession: {
      value: async () => {
        isEnding = true;
        await inner.terminateSession().catch(() => undefined);
      },
    },
  });
}
