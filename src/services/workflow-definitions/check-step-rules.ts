import type { FieldFault } from "../../errors/app-error.js";
import type { DraftStep } from "./parse-definition.js";

/** Steps that only wait: there is nothing to try again, and no result to keep. */
const WAITING = new Set(["builtin:wait", "builtin:approval"]);

/** Faults and warnings of members of a step that do not go together. */
export function checkStepRules(steps: readonly DraftStep[]) {
  return { faults: steps.flatMap(findFaults), warnings: steps.flatMap(findWarnings) };
}

function findFaults({ path, uses, members }: DraftStep): FieldFault[] {
  const faults: FieldFault[] = [];
  if (members.has("maxParallel") && !members.has("forEach")) {
    faults.push({
      path: `${path}/maxParallel`,
      message: "needs forEach: there is nothing to run in parallel",
    });
  }
  if (uses === undefined) return faults;
  if (members.has("retry") && WAITING.has(uses)) {
    faults.push({ path: `${path}/retry`, message: `is of no use to ${uses}, which is never tried again` });
  }
  if (members.has("cache") && /^(workflow|builtin):/.test(uses) && uses !== "builtin:http") {
    faults.push({ path: `${path}/cache`, message: "is for mcp: and builtin:http steps alone" });
  }
  return faults;
}

function findWarnings({ path, forEach }: DraftStep): FieldFault[] {
  if (!forEach || !("value" in forEach) || Array.isArray(forEach.value)) return [];
  return [{ path: `${path}/forEach/value`, message: "is no array: the step will fail" }];
}
