import type { LookupAddress } from "node:dns";
import { lookup as lookupHost } from "node:dns/promises";
import { isIP } from "node:net";
import { createAllowedHosts, toBareHost } from "./allowed-hosts.js";
import { isPublicAddress, listOwnNetworks } from "./public-addresses.js";

/** What is said of an address that may not be reached; it names no address, since that would map our network. */
export const REFUSAL = "must not name this machine or a private network";

/** A call was refused before a connection was made. The message is fit for users. */
export class OutgoingRefusedError extends Error {
  readonly code = "OUTGOING_REFUSED";

  constructor(message: string) {
    super(message);
    this.name = "OutgoingRefusedError";
  }
}

/** Resolves a name to all its addresses, as `dns.promises.lookup` does. */
export type ResolveName = (hostname: string) => Promise<readonly LookupAddress[]>;

/** What a guard depends on. */
export interface OutgoingGuardOptions {
  /** The setting `ALLOWED_HOSTS_PRIVATE`: what may be reached though it is private. */
  readonly allowedPrivateHosts?: readonly string[];
  /** Default: the system's resolver. */
  readonly resolveName?: ResolveName;
}

/** Judges where calls may go whose target a user chooses. */
export interface OutgoingGuard {
  /**
   * Why a URL may not be called, by its text alone, or undefined: for saving. Nothing is resolved, so a name that
   * leads to a private address passes here and is refused when it is called.
   * @param protocols with their colon; default: `https:` and `http:`.
   */
  findUrlFault(text: string, protocols?: readonly string[]): string | undefined;
  /**
   * The same, as an assertion.
   * @throws OutgoingRefusedError saying what the URL must be.
   */
  assertPublicUrl(text: string, protocols?: readonly string[]): URL;
  /** Whether the operator has named a URL's host: by its name, or the address that it is. Nothing is resolved. */
  isAllowedPrivate(text: string): boolean;
  /**
   * The addresses of a host that may be connected to; at least one. The caller connects to one of these and does
   * not resolve again: a name may lead elsewhere the second time.
   * @throws OutgoingRefusedError when it has none; the resolver's error when the name is unknown, or after 10 s.
   */
  resolve(hostname: string, port: number): Promise<readonly LookupAddress[]>;
}

const RESOLVE_LIMIT_MS = 10_000;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "https:": 443, "http:": 80 };

/**
 * Makes a guard.
 * @throws Error naming an entry of `allowedPrivateHosts` that cannot be read.
 */
export function createOutgoingGuard(options: OutgoingGuardOptions = {}): OutgoingGuard {
  const { allowedPrivateHosts = [], resolveName = resolveBySystem } = options;
  const allowed = createAllowedHosts(allowedPrivateHosts);

  function isOpen(address: string, port: number): boolean {
    if (allowed.allowsAddress(address, port)) return true;
    if (!isPublicAddress(address)) return false;
    return !listOwnNetworks().check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  }

  /** Refuses early what can never be meant; where addresses are allowed, short names may stand for one of them. */
  function isOpenByName(host: string, port: number): boolean {
    if (allowed.allowsName(host, port)) return true;
    if (isIP(host) !== 0) return isOpen(host, port);
    if (host === "localhost" || host.endsWith(".localhost")) {
      return isOpen("127.0.0.1", port) || isOpen("::1", port);
    }
    return allowed.hasNetworks || (host.includes(".") && !host.endsWith(".internal"));
  }

  function findUrlFault(text: string, protocols: readonly string[] = ["https:", "http:"]) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || /[\s\p{Cc}]/u.test(text)) return "must be a URL";
    if (!protocols.includes(url.protocol)) {
      return `must begin with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
    }
    if (url.username !== "" || url.password !== "") return "must not hold credentials";
    return isOpenByName(toBareHost(url.hostname), portOf(url)) ? undefined : REFUSAL;
  }

  return {
    findUrlFault,
    assertPublicUrl(text, protocols) {
      const fault = findUrlFault(text, protocols);
      if (fault !== undefined) throw new OutgoingRefusedError(`The URL ${fault}`);
      return new URL(text);
    },
    isAllowedPrivate(text) {
      const url = new URL(text);
      const host = toBareHost(url.hostname);
      const port = portOf(url);
      return allowed.allowsName(host, port) || (isIP(host) !== 0 && allowed.allowsAddress(host, port));
    },
    async resolve(hostname, port) {
      const host = toBareHost(hostname);
      const family = isIP(host);
      const addresses = family === 0 ? await withinLimit(resolveName(host)) : [{ address: host, family }];
      if (allowed.allowsName(host, port)) return addresses;
      const open = addresses.filter(({ address }) => isOpen(address, port));
      if (open.length === 0)
        throw new OutgoingRefusedError(`${host} is this machine or in a private network`);
      return open;
    },
  };
}

/** The port that a URL calls; 0 where its scheme has no port of its own. */
export function portOf(url: URL): number {
  return url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
}

async function resolveBySystem(hostname: string): Promise<readonly LookupAddress[]> {
  return await lookupHost(hostname, { all: true });
}

/** The system's resolver cannot be stopped, only left behind. */
async function withinLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const fault = Object.assign(new Error("The name was not resolved in time"), { code: "ETIMEOUT" });
    timer = setTimeout(() => reject(fault), RESOLVE_LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
