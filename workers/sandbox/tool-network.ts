import { lookup } from "node:dns/promises";
import { connect, isIP, type Server } from "node:net";
import type { SandboxTool } from "../../src/executors/types.js";
import { toBareHost } from "../../src/outgoing/allowed-hosts.js";
import { type OutgoingGuard, OutgoingRefusedError, portOf } from "../../src/outgoing/outgoing-guard.js";
import { type Egress, EGRESS_PORT, listEgressEnv } from "./egress.js";

const REFUSED = "is no host that package installers were set up for";
const CONNECT_LIMIT_MS = 10_000;

/** The one way out of a trusted tool's network: to its hosts, or to the proxy that this machine reaches them by. */
export function serveTool(
  egress: Egress,
  server: Server,
  { hosts, proxy }: SandboxTool,
  notify: (line: string) => void,
): () => void {
  if (proxy === undefined) return egress.serveProxy(server, { notify, guard: createListGuard(hosts) });
  const { hostname, port } = toAddress(new URL(proxy));
  return egress.serveForward(server, async () => {
    const socket = connect({ host: hostname, port });
    socket.setTimeout(CONNECT_LIMIT_MS, () => socket.connecting && socket.destroy());
    return socket;
  });
}

/** Variables by which it finds that way, whatever the machine's own say. */
export function listToolEnv({ proxy }: SandboxTool): Record<string, string> {
  const url = new URL(proxy ?? "http://localhost");
  url.hostname = "127.0.0.1";
  url.port = String(EGRESS_PORT);
  // a package index on this machine is reached by it too
  return {
    ...listEgressEnv(url.href.replace(/\/$/, "")),
    NO_PROXY: "",
    no_proxy: "",
    ALL_PROXY: "",
    all_proxy: "",
  };
}

/** Allows the named hosts, wherever they are: the operator has named them. Everything else is refused. */
export function createListGuard(hosts: readonly string[]): OutgoingGuard {
  const known = new Set(hosts.map((host) => host.toLowerCase()));
  const isKnown = (hostname: string, port: number): boolean =>
    known.has(`${toBareHost(hostname).toLowerCase()}:${port}`);

  function findUrlFault(
    text: string,
    protocols: readonly string[] = ["https:", "http:"],
  ): string | undefined {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !protocols.includes(url.protocol)) return "must be a URL";
    // of CONNECT the port is judged once more, as it was written
    return isKnown(url.hostname, portOf(url)) ? undefined : REFUSED;
  }

  return {
    findUrlFault,
    assertPublicUrl(text, protocols) {
      const fault = findUrlFault(text, protocols);
      if (fault !== undefined) throw new OutgoingRefusedError(`The URL ${fault}`);
      return new URL(text);
    },
    isAllowedPrivate: (text) => findUrlFault(text) === undefined,
    async resolve(hostname, port) {
      if (!isKnown(hostname, port)) throw new OutgoingRefusedError(`${hostname} ${REFUSED}`);
      const host = toBareHost(hostname);
      const family = isIP(host);
      return family === 0 ? await lookup(host, { all: true }) : [{ address: host, family }];
    },
  };
}

function toAddress(url: URL): { hostname: string; port: number } {
  return { hostname: toBareHost(url.hostname), port: portOf(url) };
}
