import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** IANA's registry of special IPv4 addresses, and Azure's metadata service, which sits among the public ones. */
const SPECIAL_IPV4 = toBlockList("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
]);

/** All of IPv6 that is public lies here; what embeds IPv4 (mapped, compatible, NAT64) and local networks do not. */
const GLOBAL_IPV6 = toBlockList("ipv6", [["2000::", 3]]);

/** Protocol assignments with Teredo, documentation, and 6to4, which embeds IPv4. */
const SPECIAL_IPV6 = toBlockList("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
]);

/** Networks of this machine that are larger than this are somebody's whole address space, not its neighbourhood. */
const WIDEST_OWN_NETWORK = { ipv4: 16, ipv6: 48 } as const;

/**
 * Whether an IP address is one of the public internet: no loopback, private, link-local, metadata, multicast,
 * reserved or documentation address, and none that carries an IPv4 address inside. Anything else than an address
 * is not.
 */
export function isPublicAddress(address: string): boolean {
  // a zone id names an interface of this machine, and BlockList looks at such addresses wrongly
  if (address.includes("%")) return false;
  const family = isIP(address);
  if (family === 4) return !SPECIAL_IPV4.check(address, "ipv4");
  return family === 6 && GLOBAL_IPV6.check(address, "ipv6") && !SPECIAL_IPV6.check(address, "ipv6");
}

/** The addresses of this machine's interfaces and the networks that they are in, as they are now. */
export function listOwnNetworks(interfaces = networkInterfaces()): Pick<BlockList, "check"> {
  const own = new BlockList();
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((list) => list ?? [])) {
    const type = family === "IPv6" ? "ipv6" : "ipv4";
    const [bare = address] = address.split("%");
    own.addAddress(bare, type);
    const prefix = Number(cidr?.split("/")[1]);
    if (prefix >= WIDEST_OWN_NETWORK[type]) own.addSubnet(bare, prefix, type);
  }
  return own;
}

function toBlockList(
  family: "ipv4" | "ipv6",
  networks: readonly (readonly [string, number])[],
): Pick<BlockList, "check"> {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family);
  return list;
}
