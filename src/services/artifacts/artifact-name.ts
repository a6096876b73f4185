const MOST_CHARS = 512;

/**
 * A name that is safe to show, to store and to download under: no control or invisible direction characters, no
 * empty, `.` or `..` parts, `/` as the only separator, at most 512 characters (the end is kept, with its extension).
 */
export function toArtifactName(raw: string): string {
  const parts = raw
    .normalize("NFC")
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "_")
    .replaceAll("\\", "_")
    .split("/")
    .filter((part) => part !== "" && part !== "." && part !== "..");
  const name = parts
    .join("/")
    .slice(-MOST_CHARS)
    .replace(/^[/\udc00-\udfff]+/, "");
  return name === "" ? "unnamed" : name;
}

/** `Content-Disposition` that makes browsers download: RFC 6266, with a plain fallback for the name. */
export function toContentDisposition(name: string): string {
  const base = name.split("/").at(-1) ?? name;
  const fallback = base.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(base).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${fallback}"; filename*=UTF-8''${encoded}`;
}
