import type { FieldFault } from "../errors/app-error.js";
import { isUnstorable } from "./parse-json.js";

/** A query string as names and values; a name that is given twice has an array. */
export type Query = Record<string, string | string[]>;

const MOST_PARAMETERS = 200;

/** Reads a query string flatly: `a[b]=c` is a parameter called `a[b]`, never a nested object. */
export function parseQuery(url: string): { query: Query; faults: FieldFault[] } {
  const at = url.indexOf("?");
  const query: Query = Object.create(null) as Query;
  if (at < 0) return { query, faults: [] };
  const pairs = [...new URLSearchParams(url.slice(at + 1))];
  if (pairs.length > MOST_PARAMETERS) {
    return { query, faults: [{ path: "", message: `more than ${MOST_PARAMETERS} query parameters` }] };
  }
  const faults: FieldFault[] = [];
  for (const [name, value] of pairs) {
    // a method override is no parameter of ours, and never overrides anything
    if (name === "_method") continue;
    if (isUnstorable(name) || isUnstorable(value)) faults.push({ path: "", message: "query holds NUL" });
    const known = query[name];
    if (known === undefined) query[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else query[name] = [known, value];
  }
  return { query: { ...query }, faults };
}
