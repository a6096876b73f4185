import { z } from "zod";
import { toPointer } from "../core/json-pointer.js";
import type { FieldFault } from "../errors/app-error.js";

type Issue = z.core.$ZodIssue;

/** Every fault that zod found, each with the JSON Pointer of what is wrong or missing. */
export function toFieldFaults(
  issues: readonly Issue[],
  prefix: readonly (string | number)[] = [],
): FieldFault[] {
  return issues.flatMap((issue) => toFaults(issue, prefix));
}

function toFaults(issue: Issue, prefix: readonly (string | number)[]): FieldFault[] {
  const path = [...prefix, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({ path: toPointer([...path, key]), message: "unknown field" }));
    case "invalid_union": {
      const branch = closestBranch(issue.errors);
      return branch ? toFieldFaults(branch, path) : [{ path: toPointer(path), message: toMessage(issue) }];
    }
    case "invalid_key":
    case "invalid_element":
      return [{ path: toPointer(path), message: issue.issues[0]?.message ?? toMessage(issue) }];
    default:
      return [{ path: toPointer(path), message: toMessage(issue) }];
  }
}

/** The branch of a union that the value came closest to: its faults lie deepest, or are fewest. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((issue) => issue.path.length));
  return [...branches]
    .filter((branch) => branch.length > 0)
    .sort((one, other) => depth(other) - depth(one) || one.length - other.length)[0];
}

function toMessage(issue: Issue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is required";
  return issue.message.replace(/^Invalid input: /, "");
}

/** A schema that refuses unknown fields, if it is an object that says nothing about them. */
export function toStrict(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodObject && schema.def.catchall === undefined ? schema.strict() : schema;
}
