import { networkInterfaces } from "node:os";
import { describe, expect, it } from "@jest/globals";
import { settingsSchema } from "../config/settings-schema.js";
import { parseAllowedHost } from "./allowed-hosts.js";
import { matchesHosts } from "./host-patterns.js";
import { createOutgoingGuard, OutgoingRefusedError, REFUSAL } from "./outgoing-guard.js";
import { isPublicAddress, listOwnNetworks } from "./public-addresses.js";

/** Addresses in the plain form that sockets and resolvers use. */
const REFUSED_ADDRESSES = [
  ["this network", "0.0.0.0", "0.1.2.3"],
  ["private", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ["shared, and a metadata service in it", "100.64.0.1", "100.127.255.255", "100.100.100.200"],
  ["loopback", "127.0.0.1", "127.255.255.254"],
  ["link-local and metadata", "169.254.0.1", "169.254.169.254", "168.63.129.16", "192.0.0.192"],
  [
    "documentation and benchmarks",
    "192.0.2.1",
    "198.51.100.7",
    "203.0.113.9",
    "198.18.0.1",
    "198.19.255.255",
  ],
  ["6to4 relays", "192.88.99.1"],
  ["multicast, reserved, broadcast", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
  ["IPv6 unspecified and loopback", "::", "::1", "0:0:0:0:0:0:0:1"],
  ["IPv4-mapped", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8", "::FFFF:10.0.0.1"],
  ["IPv4-compatible", "::127.0.0.1", "::7f00:1", "::8.8.8.8"],
  ["IPv4-translated", "::ffff:0:127.0.0.1"],
  ["NAT64", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "64:ff9b::8.8.8.8"],
  ["6to4 and Teredo", "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  ["unique local, and a metadata service in it", "fc00::1", "fd00::1", "fd00:ec2::254"],
  ["IPv6 link-local and site-local", "fe80::1", "febf::1", "fec0::1"],
  ["IPv6 multicast", "ff02::1", "ff05::2", "ff0e::1"],
  ["IPv6 documentation, discard, segment routing", "2001:db8::1", "3fff::1", "100::1", "5f00::1"],
  ["with a zone", "fe80::1%eth0", "::1%lo", "2606:4700::1%1"],
  ["no address at all", "", "localhost", "127.1", "0x7f000001", "2130706433", "[::1]"],
].flatMap(([what = "", ...addresses]) => addresses.map((address) => [what, address] as const));

const PUBLIC_ADDRESSES = [
  ...["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"],
  ...["128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"],
  ...["192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.17"],
  ...["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2400:cb00::1"],
];

/** Hosts as people write them into URLs. */
const REFUSED_HOSTS = [
  ...["127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7F.1", "017700000001"],
  ...["0177.0.0.1", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "127.000.000.001", "①②⑦.⓪.⓪.①", "127。0。0。1"],
  ...[
    "%31%32%37.0.0.1",
    "0xa9fea9fe",
    "2852039166",
    "169.254.169.254",
    "0251.0376.0251.0376",
    "10.1",
    "0x0a000001",
  ],
  ...[
    "192.168.257",
    "4294967295",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
  ],
  ...["[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fd00:ec2::254]", "[fe80::1]", "[FE80::1]"],
  ...["localhost", "LOCALHOST", "localhost.", "ⓛocalhost", "loc%61lhost", "a.localhost", "postgres", "redis"],
  ...["metadata.google.internal", "host.docker.internal", "kubernetes"],
];

describe("public addresses", () => {
  it.each(REFUSED_ADDRESSES)("%s: %j is none", (_, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(PUBLIC_ADDRESSES)("%s is one", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe("findUrlFault", () => {
  const guard = createOutgoingGuard();

  it.each(REFUSED_HOSTS)("refuses http://%s/", (host) => {
    expect(guard.findUrlFault(`http://${host}/`)).toBe(REFUSAL);
    expect(guard.findUrlFault(`https://${host}:8443/x?y#z`)).toBe(REFUSAL);
    expect(() => guard.assertPublicUrl(`http://${host}/`)).toThrow(OutgoingRefusedError);
  });

  it.each([
    ["nonsense", /must be a URL/],
    ["http://[::1%25lo]/", /must be a URL/],
    ["http://example.org\r\n/", /must be a URL/],
    ["http://1.2.3.4.5/", /must be a URL/],
    ["ftp://example.org/", /must begin with/],
    ["file:///etc/passwd", /must begin with/],
    ["javascript:alert(1)", /must begin with/],
    ["http://u:p@example.org/", /credentials/],
    ["http://example.org@127.0.0.1/", /credentials/],
  ])("refuses %j", (url, why) => {
    expect(guard.findUrlFault(url)).toMatch(why);
  });

  it.each([
    "https://example.org/a?b=c",
    "http://8.8.8.8:8080/",
    "https://[2606:4700:4700::1111]/",
    "http://例え.jp/",
  ])("lets %s pass", (url) => {
    expect(guard.findUrlFault(url)).toBeUndefined();
    expect(guard.assertPublicUrl(url).href).toBe(new URL(url).href);
  });

  it("takes other schemes where they are meant", () => {
    expect(guard.findUrlFault("postgres://db.example.org/x", ["postgres:"])).toBeUndefined();
    expect(guard.findUrlFault("postgres://127.0.0.1/x", ["postgres:"])).toBeDefined();
  });
});

describe("ALLOWED_HOSTS_PRIVATE", () => {
  it.each([
    ["127.0.0.1", "http://127.0.0.1:8080/", true],
    ["127.0.0.1", "http://2130706433/", true],
    ["127.0.0.1", "http://localhost/", true],
    ["127.0.0.1", "http://127.0.0.2/", false],
    ["127.0.0.1:8080", "http://127.0.0.1:8080/", true],
    ["127.0.0.1:8080", "http://127.0.0.1:8081/", false],
    ["127.0.0.1:443", "https://127.0.0.1/", true],
    ["127.0.0.1:443", "http://127.0.0.1/", false],
    ["10.0.0.0/8", "http://10.200.3.4/", true],
    ["10.0.0.0/8", "http://11.0.0.1/", true],
    ["10.0.0.0/8", "http://192.168.0.1/", false],
    ["10.0.0.0/8", "http://169.254.169.254/", false],
    ["10.0.0.0/8", "http://minio:9000/", true],
    ["fd00::/8", "http://[fd12::1]/", true],
    ["fd00::1", "http://[fd00::1]:80/", true],
    ["[fd00::1]:81", "http://[fd00::1]:80/", false],
    ["minio", "http://minio:9000/", true],
    ["MinIO:9000", "http://minio.:9000/", true],
    ["minio:9000", "http://minio:9001/", false],
    ["minio", "http://minio2/", false],
    ["minio", "http://127.0.0.1/", false],
    ["minio", "http://localhost/", false],
    ["::1", "http://localhost/", true],
    ["0.0.0.0/0", "http://127.0.0.1/", true],
  ])("%s makes %s allowed: %p", (entry, url, isAllowed) => {
    const guard = createOutgoingGuard({ allowedPrivateHosts: [entry] });
    expect(guard.findUrlFault(url) === undefined).toBe(isAllowed);
  });

  it.each([
    "http://x/",
    "a b",
    "10.0.0.0/33",
    "x/8",
    "127.1",
    "0x7f000001",
    "host:0",
    "host:70000",
    "[::1",
    "*",
    "",
  ])("cannot hold %j", (entry) => {
    expect(parseAllowedHost(entry)).toBeUndefined();
    expect(() => createOutgoingGuard({ allowedPrivateHosts: [entry] })).toThrow(JSON.stringify(entry));
  });

  it("is checked with the settings", () => {
    const parse = (value: string) => settingsSchema.shape.ALLOWED_HOSTS_PRIVATE.safeParse(value);
    expect(parse("minio:9000, 10.0.0.0/8").data).toEqual(["minio:9000", "10.0.0.0/8"]);
    expect(parse("minio,http://x/").error?.issues[0]?.message).toContain('"http://x/"');
  });
});

describe("resolve", () => {
  const toAddresses = (...addresses: string[]) =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const resolveTo =
    (...addresses: string[]) =>
    async () =>
      toAddresses(...addresses);

  it.each([
    [["127.0.0.1"]],
    [["::1", "10.0.0.1"]],
    [["::ffff:127.0.0.1"]],
    [["169.254.169.254", "fe80::1%eth0"]],
    [[]],
  ])("refuses a name that leads to %j and does not say where that is", async (addresses) => {
    const guard = createOutgoingGuard({ resolveName: resolveTo(...addresses) });
    const refused = await guard.resolve("rebind.example.org", 80).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OutgoingRefusedError);
    for (const address of addresses) expect((refused as Error).message).not.toContain(address);
  });

  it("keeps of mixed answers what may be reached", async () => {
    const resolveName = resolveTo("10.0.0.1", "93.184.215.14", "::1", "2606:4700::1");
    expect(await createOutgoingGuard({ resolveName }).resolve("x.example.org", 443)).toEqual(
      toAddresses("93.184.215.14", "2606:4700::1"),
    );
    const allowing = createOutgoingGuard({ resolveName, allowedPrivateHosts: ["10.0.0.1:443"] });
    expect(await allowing.resolve("x.example.org", 443)).toHaveLength(3);
    expect(await allowing.resolve("x.example.org", 80)).toHaveLength(2);
  });

  it("follows an allowed name wherever it leads, on its port", async () => {
    const guard = createOutgoingGuard({
      resolveName: resolveTo("10.0.0.1"),
      allowedPrivateHosts: ["db.internal:5432"],
    });
    expect(await guard.resolve("db.internal", 5432)).toEqual(toAddresses("10.0.0.1"));
    await expect(guard.resolve("db.internal", 5433)).rejects.toThrow(OutgoingRefusedError);
    await expect(guard.resolve("db2.internal", 5432)).rejects.toThrow(OutgoingRefusedError);
  });

  it.each(["127.1", "0x7f.1", "2130706433", "localhost", "127.0.0.1", "::1", "[::1]", "fe80::1%lo"])(
    "refuses %s, which the system's resolver knows",
    async (host) => {
      await expect(createOutgoingGuard().resolve(host, 80)).rejects.toThrow();
    },
  );

  it("knows this machine's networks, public ones too, but not a whole address space", () => {
    const net = { netmask: "", mac: "", internal: false } as const;
    const own = listOwnNetworks({
      eth0: [
        { ...net, address: "93.184.215.14", family: "IPv4", cidr: "93.184.215.14/24" },
        { ...net, address: "2606:4700::5", family: "IPv6", cidr: "2606:4700::5/64", scopeid: 0 },
        { ...net, address: "fe80::5%eth0", family: "IPv6", cidr: "fe80::5%eth0/64", scopeid: 2 },
      ],
      tun0: [{ ...net, address: "8.8.8.1", family: "IPv4", cidr: "8.8.8.1/1" }],
    });
    const isOwn = (address: string) => own.check(address, address.includes(":") ? "ipv6" : "ipv4");
    expect(["93.184.215.14", "93.184.215.99", "2606:4700::99", "8.8.8.1"].filter(isOwn)).toHaveLength(4);
    expect(["93.184.216.1", "2606:4700:0:1::1", "8.8.8.8"].filter(isOwn)).toEqual([]);
  });

  it("refuses this machine's own addresses", async () => {
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    for (const { address } of own) {
      await expect(createOutgoingGuard().resolve(address, 80)).rejects.toThrow(OutgoingRefusedError);
    }
  });
});

describe("the hosts of a secret", () => {
  it.each([
    ["api.example.com", "https://api.example.com/x", true],
    ["api.example.com", "https://API.example.com.:8443/", true],
    ["api.example.com", "https://api.example.com.evil.org/", false],
    ["api.example.com", "https://xapi.example.com/", false],
    ["api.example.com:443", "https://api.example.com/", true],
    ["api.example.com:443", "http://api.example.com/", false],
    ["*.example.com", "https://a.b.example.com/", true],
    ["*.example.com", "https://example.com/", false],
    ["*.example.com", "https://evilexample.com/", false],
  ])("%s holds for %s: %p", (pattern, url, holds) => {
    expect(matchesHosts(new URL(url), ["other.example.net", pattern])).toBe(holds);
  });
});
