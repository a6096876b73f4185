import type { IncomingMessage } from "node:http";

/**
 * The address that a request comes from, where Express is not asked: the connection's, or, behind so many known proxies
 * (the setting `TRUST_PROXY`), what the outermost of them has seen.
 */
export function readClientAddress(request: IncomingMessage, knownProxies: number): string | null {
  const header = request.headers["x-forwarded-for"];
  const forwarded = (typeof header === "string" ? header : (header ?? []).join(",")).split(",");
  const hops = [request.socket.remoteAddress ?? "", ...forwarded.map((each) => each.trim()).reverse()];
  const known = hops.filter((each) => each !== "");
  return known[Math.min(knownProxies, known.length - 1)] ?? null;
}
