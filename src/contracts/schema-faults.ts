import type { z } from "zod";
import { toPointer } from "../core/json-pointer.js";
import type { FieldFault } from "../errors/app-error.js";

type Issue = z.core.$ZodIssue;

/**
 * The faults of a value that a zod schema refused. Of a union, the faults of the branch that was meant: the one
 * with the fewest; with several such, one fault that names the choices.
 */
export function toSchemaFaults(
  issues: readonly Issue[],
  prefix: readonly (string | number)[] = [],
): FieldFault[] {
  return issues.flatMap((issue): FieldFault[] => {
    const path = [...prefix, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: toPointer([...path, key]), message: "unknown field" }));
    }
    if (issue.code === "invalid_union") {
      const branch = meantBranch(issue.errors);
      if (branch) return toSchemaFaults(branch, path);
    }
    if (issue.code === "invalid_key" || issue.code === "invalid_element") {
      return [{ path: toPointer(path), message: issue.issues[0]?.message ?? issue.message }];
    }
    return [{ path: toPointer(path), message: toMessage(issue) }];
  });
}

function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fewest = Math.min(...branches.map((branch) => branch.length));
  const closest = branches.filter((branch) => branch.length === fewest);
  return closest.length === 1 ? closest[0] : undefined;
}

function toMessage(issue: Issue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is required";
  return issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "");
}
