import type { Config } from "./mcp-draft.js";

/** A text of a configuration; `""` when it has none. */
export function textOf(config: Config, name: string): string {
  const value = config[name];
  return typeof value === "string" ? value : "";
}

/** A number of it. */
export function numberOf(config: Config, name: string): number | undefined {
  const value = config[name];
  return typeof value === "number" ? value : undefined;
}

/** Texts of it. */
export function textsOf(config: Config, name: string): string[] {
  const value = config[name];
  return Array.isArray(value) ? value.map(String) : [];
}

/** An object of it. */
export function objectOf(config: Config, name: string): Record<string, unknown> | undefined {
  const value = config[name];
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** An object of texts of it: an environment, headers. */
export function pairsOf(config: Config, name: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(objectOf(config, name) ?? {}).map(([key, value]) => [key, String(value)]),
  );
}

/** The first fault at a pointer or under it, with where under it. */
export function faultAt(faults: Readonly<Record<string, string>>, pointer: string): string | undefined {
  const own = faults[pointer];
  if (own !== undefined) return own;
  const under = Object.entries(faults).find(([path]) => path.startsWith(`${pointer}/`));
  return under && `${under[0].slice(pointer.length + 1)}: ${under[1]}`;
}

/** Faults right under a pointer, by name. */
export function faultsBelow(
  faults: Readonly<Record<string, string>>,
  pointer: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(faults)
      .filter(([path]) => path.startsWith(`${pointer}/`))
      .map(([path, message]) => [path.slice(pointer.length + 1), message]),
  );
}

/** `undefined` for what is empty: an empty list or object means the same as none. */
export function orNone<Value extends readonly unknown[] | object>(value: Value): Value | undefined {
  return Object.keys(value).length === 0 ? undefined : value;
}
