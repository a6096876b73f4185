import type { JsonObject, JsonValue } from "../core/json.js";

/** JSON that a result may have; what is beyond is cut, and the result says so. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;

/** Names that are unique within a result: the second `id` becomes `id_2`. */
export function toUniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let count = 2; taken.has(unique); count += 1) unique = `${name}_${count}`;
    taken.add(unique);
    return unique;
  });
}

/** Collects rows until either limit is reached. */
export class RowCollector {
  readonly rows: JsonObject[] = [];
  isTruncated = false;
  #bytes = 0;
  readonly #names: readonly string[];
  readonly #maxRows: number;

  constructor(names: readonly string[], maxRows: number) {
    this.#names = names;
    this.#maxRows = maxRows;
  }

  /** @returns whether there is room for another. */
  add(values: readonly JsonValue[]): boolean {
    if (this.rows.length >= this.#maxRows) {
      this.isTruncated = true;
      return false;
    }
    const row = Object.fromEntries(this.#names.map((name, at) => [name, values[at] ?? null]));
    this.#bytes += JSON.stringify(row).length;
    if (this.#bytes > MAX_RESULT_BYTES) {
      this.isTruncated = true;
      return false;
    }
    this.rows.push(row);
    return true;
  }
}

/** A whole number as a number where that is exact, else as text. */
export function toWholeNumber(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

/** Digits that a number keeps exactly. */
const EXACT_DIGITS = 15;

/** A decimal as a number where that is exact, else as text: money must not change on its way. */
export function toDecimal(text: string): number | string {
  if (!/^-?\d+(?:\.\d+)?$/.test(text)) return text;
  const digits = text.replace(/[-.]/g, "").replace(/^0+/, "");
  return digits.length <= EXACT_DIGITS ? Number(text) : text;
}

/** Whatever a driver gave, as JSON. */
export function toJsonCell(value: unknown): JsonValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "bigint") return toWholeNumber(String(value));
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(toJsonCell);
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJsonCell(member)]));
  }
  return String(value);
}
