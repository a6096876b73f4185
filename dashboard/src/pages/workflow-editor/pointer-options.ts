import type { Schema } from "../mcp-editor/mcp-draft.js";
import { asRecord } from "./definition-model.js";

const DEEPEST = 4;

/** The JSON Pointers that a schema knows, with `""` for the whole. */
export function pointersOf(schema: Schema | undefined): string[] {
  const found: string[] = [""];
  const walk = (part: Schema, path: string, depth: number) => {
    for (const [name, member] of Object.entries(asRecord(part["properties"]))) {
      const pointer = `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      found.push(pointer);
      if (depth < DEEPEST) walk(asRecord(member), pointer, depth + 1);
    }
  };
  if (schema) walk(schema, "", 1);
  return found;
}

/** What an expression may begin with, from schemas: `input.day`, `steps.load.output.rows`. */
export function namesFor(
  input: Schema | undefined,
  steps: readonly { readonly id: string; readonly outputSchema: Schema | undefined }[],
): string[] {
  const dotted = (prefix: string, schema: Schema | undefined) =>
    pointersOf(schema).map((pointer) => [prefix, ...pointer.split("/").slice(1)].join("."));
  return [
    ...dotted("input", input),
    ...steps.flatMap(({ id, outputSchema }) =>
      dotted(/^\w+$/.test(id) ? `steps.${id}.output` : `steps.\`${id}\`.output`, outputSchema),
    ),
    "run.id",
    "item",
  ];
}
