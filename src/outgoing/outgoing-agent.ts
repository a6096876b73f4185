import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, buildConnector } from "undici";
import type { OutgoingGuard } from "./outgoing-guard.js";

const CONNECT_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 4_000;

/**
 * An undici agent (`dispatcher` of its requests, and of `fetch`) whose every connection is judged by the guard: each
 * is made to an address that was resolved and judged once, just before. Redirects are not followed: whoever does
 * that judges each hop's URL. Waits for answers are bounded by the requests' own signals alone. It reads no proxy
 * settings. `destroy` it at the end.
 *
 * `keepsConnections: false` gives each request a connection of its own: for requests that may not be sent twice, since
 * one that meets a kept connection as its server closes it fails, and nobody knows whether it was served.
 */
export function createOutgoingAgent(options: {
  readonly guard: OutgoingGuard;
  /** Default: true. */
  readonly keepsConnections?: boolean;
}): Agent {
  const { guard, keepsConnections = true } = options;
  return new Agent({
    connect: (target, callback) => {
      const port = Number(target.port) || (target.protocol === "https:" ? 443 : 80);
      guard.resolve(target.hostname, port).then(
        (addresses) => createPinnedConnector(addresses)(target, callback),
        (error: unknown) => callback(error as Error, null),
      );
    },
    keepAliveTimeout: KEEP_ALIVE_MS,
    ...(!keepsConnections && { pipelining: 0 }),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Connects to these addresses and nowhere else; a literal address is never looked up, and is the one given. */
function createPinnedConnector(addresses: readonly LookupAddress[]): buildConnector.connector {
  const lookup: LookupFunction = (_hostname, options, callback) => {
    if (options.all) return callback(null, [...addresses]);
    const [first] = addresses;
    return callback(null, first?.address ?? "", first?.family);
  };
  return buildConnector({
    lookup,
    timeout: CONNECT_LIMIT_MS,
    autoSelectFamily: true,
    maxCachedSessions: 0,
  } as buildConnector.BuildOptions);
}
