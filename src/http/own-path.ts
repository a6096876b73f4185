/**
 * The path of this server that a text names, with query and fragment; `/` for anything else. A parsed URL's origin is
 * compared, since `//evil.example` and `/\evil.example` look like paths.
 */
export function toOwnPath(text: string | undefined): string {
  const base = "http://own.invalid";
  if (text === undefined || text.length > 2000 || !text.startsWith("/") || !URL.canParse(text, base))
    return "/";
  const url = new URL(text, base);
  // dots are resolved by now, and may have left such a path behind: `/..//evil.example`
  const isOwn = url.origin === base && !url.pathname.startsWith("//");
  return isOwn ? url.pathname + url.search + url.hash : "/";
}
