import type { JsonValue } from "../../core/json.js";

/** A ```json … ``` block that is all there is. */
const FENCED = /^\s*```(?:json)?\s*\n([\s\S]*?)\n?\s*```\s*$/i;

/** The JSON that a model answered, also when it put it into a code block; undefined when it is none. */
export function parseAnswer(text: string): { readonly value: JsonValue } | undefined {
  for (const candidate of [text, FENCED.exec(text)?.[1]]) {
    if (candidate === undefined) continue;
    try {
      return { value: JSON.parse(candidate) as JsonValue };
    } catch {
      // the next reading may do
    }
  }
  return undefined;
}
