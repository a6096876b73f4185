import { BlockList, isIP } from "node:net";

/** One entry of `ALLOWED_HOSTS_PRIVATE`. Without a port, every port is meant. */
export type AllowedHost =
  | { readonly kind: "name"; readonly name: string; readonly port: number | undefined }
  | { readonly kind: "network"; readonly network: BlockList; readonly port: number | undefined };

/** What the operator allows beyond the public internet. */
export interface AllowedHosts {
  /** Whether there is any address or network among the entries. */
  readonly hasNetworks: boolean;
  /** Whether a name is allowed, wherever it leads. */
  allowsName(name: string, port: number): boolean;
  allowsAddress(address: string, port: number): boolean;
}

const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/**
 * Reads one entry: `name`, `10.1.2.3`, `[fd00::1]` or `fd00::1`, the first three also with `:port`, or a network as
 * `10.0.0.0/8`. Undefined when it is none of these; a number in any other spelling is not.
 */
export function parseAllowedHost(entry: string): AllowedHost | undefined {
  const text = entry.trim().toLowerCase();
  if (text.includes("/")) return parseNetwork(text);
  if (isIP(text) === 6) return toNetwork(text, 128, "ipv6", undefined);
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  if (bracketed !== undefined) {
    return isIP(bracketed) === 6 ? toNetwork(bracketed, 128, "ipv6", port) : undefined;
  }
  const name = toBareHost(plain ?? "");
  if (isIP(name) === 4) return toNetwork(name, 32, "ipv4", port);
  // "127.1", "0x7f000001" and 2130706433 are addresses to resolvers, and names of nothing
  if (!NAME.test(name) || /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)) return undefined;
  return { kind: "name", name, port };
}

/**
 * Takes the entries of the setting together.
 * @throws Error naming an entry that cannot be read.
 */
export function createAllowedHosts(entries: readonly string[]): AllowedHosts {
  const hosts = entries.map((entry) => {
    const host = parseAllowedHost(entry);
    if (!host) throw new Error(`"${entry}" is no host, host:port or network`);
    return host;
  });
  const holds = (host: AllowedHost, port: number): boolean => host.port === undefined || host.port === port;
  return {
    hasNetworks: hosts.some((host) => host.kind === "network"),
    allowsName: (name, port) =>
      hosts.some((host) => host.kind === "name" && host.name === toBareHost(name) && holds(host, port)),
    allowsAddress(address, port) {
      const [bare = ""] = address.split("%");
      const family = isIP(bare) === 6 ? "ipv6" : "ipv4";
      return hosts.some(
        (host) => host.kind === "network" && holds(host, port) && host.network.check(bare, family),
      );
    },
  };
}

/** A host as `URL.hostname` writes it, without brackets, the root's dot and capitals. */
export function toBareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

function parseNetwork(text: string): AllowedHost | undefined {
  const [, address = "", digits = ""] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  const prefix = Number(digits);
  if (family === 0 || prefix > (family === 4 ? 32 : 128)) return undefined;
  return toNetwork(address, prefix, family === 4 ? "ipv4" : "ipv6", undefined);
}

function toNetwork(
  address: string,
  prefix: number,
  family: "ipv4" | "ipv6",
  port: number | undefined,
): AllowedHost | undefined {
  if (address.includes("%")) return undefined;
  const network = new BlockList();
  network.addSubnet(address, prefix, family);
  return { kind: "network", network, port };
}
