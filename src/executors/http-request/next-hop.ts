import { upstreamFault } from "./upstream-fault.js";
import type { Hop } from "./build-hop.js";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** What a redirect to another origin may carry: nothing that can hold a credential. */
const HARMLESS_HEADERS = new Set(["accept", "accept-encoding", "accept-language", "user-agent"]);

/**
 * The request that an answer redirects to, as browsers make it; undefined when it does not redirect. To another
 * origin go neither credentials nor any other header of the step, since nobody knows which of them hold secrets.
 * @throws ExecutionError `upstream_error` when the location is no URL, or a body would go to another origin.
 */
export function nextHop(hop: Hop, status: number, location: string | undefined): Hop | undefined {
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const target = Buffer.from(location, "latin1").toString("utf8");
  if (!URL.canParse(target, hop.url.href)) throw upstreamFault("redirected to something that is no URL");
  const url = new URL(target, hop.url);
  url.hash = "";
  const becomesGet = status === 303 ? hop.method !== "HEAD" : status <= 302 && hop.method === "POST";
  const { body, ...rest } = hop;
  const kept: Hop = { ...rest, url, ...(body !== undefined && !becomesGet && { body }) };
  const sent: Hop = becomesGet ? { ...kept, method: "GET", headers: withoutContent(hop.headers) } : kept;
  if (isSameParty(hop.url, url)) return sent;
  if (sent.body !== undefined) {
    throw upstreamFault(
      `redirected to ${url.origin}, where the body is not sent: call it directly if it may`,
    );
  }
  const harmless = Object.entries(sent.headers).filter(([name]) => HARMLESS_HEADERS.has(name));
  return { ...sent, headers: Object.fromEntries(harmless), isTrusted: false };
}

/** The same origin, or the same host's secure one in place of the plain one. */
function isSameParty(from: URL, to: URL): boolean {
  if (from.origin === to.origin) return true;
  const isUpgrade = from.protocol === "http:" && to.protocol === "https:" && from.hostname === to.hostname;
  return isUpgrade && from.port === "" && to.port === "";
}

function withoutContent(headers: Hop["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("content-")));
}
