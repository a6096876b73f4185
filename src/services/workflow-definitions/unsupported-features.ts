import { isJsonObject } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";

/** A warning for each member that changes nothing in a run, and nothing else yet. */
export function findIneffective(definition: unknown): FieldFault[] {
  const isTool = isJsonObject(definition) && definition["tool"] === true;
  return isTool ? [{ path: "/tool", message: "has no effect in this version of Headrace yet" }] : [];
}
