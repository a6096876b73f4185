/** Reads a label filter `name:value`; the value may hold more colons. Undefined when it is none. */
export function parseLabel(text: string): { name: string; value: string } | undefined {
  const at = text.indexOf(":");
  const name = text.slice(0, Math.max(at, 0));
  const value = text.slice(at + 1);
  return /^[A-Za-z0-9_.-]{1,63}$/.test(name) && value.length <= 255 ? { name, value } : undefined;
}
