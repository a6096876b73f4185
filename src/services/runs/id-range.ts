/** The beginning of an id, with its hyphens or without; shorter ones would mean too many runs to be meant. */
export const ID_PREFIX = /^[0-9a-f]{6}[0-9a-f-]{0,30}$/i;

/** The end of an id, as lists show it: its beginning is the time, which neighbours share. */
export const ID_END = /^[0-9a-f]{8}$/i;

/** The first and the last id that begin so. */
export function toIdRange(prefix: string): readonly [string, string] {
  const digits = prefix.replaceAll("-", "").slice(0, 32);
  const write = (filler: string) =>
    digits.padEnd(32, filler).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return [write("0"), write("f")];
}
