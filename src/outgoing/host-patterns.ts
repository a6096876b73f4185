import { portOf } from "./outgoing-guard.js";

/**
 * Whether a URL's host is among the hosts that a secret is bound to: `api.example.com`, `api.example.com:8443`
 * (that port alone) or `*.example.com` (what is below it, not itself).
 */
export function matchesHosts(url: URL, patterns: readonly string[]): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  return patterns.some((pattern) => {
    const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(pattern.toLowerCase()) ?? [];
    if (port !== undefined && Number(port) !== portOf(url)) return false;
    return name.startsWith("*.")
      ? host.endsWith(name.slice(1)) && host.length > name.length - 1
      : host === name;
  });
}
