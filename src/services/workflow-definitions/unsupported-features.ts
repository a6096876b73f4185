import { isJsonObject } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { DraftDefinition } from "./parse-definition.js";

/** What the contract has and the engine does not run yet: refused, since ignoring it would run something else. */
const STEP_MEMBERS = ["waitForSubmit"];

/** The words for everything of this kind. */
export const NOT_YET = "cannot be run by this version of Headrace yet";

/** A warning for each member that changes nothing in a run, and nothing else yet. */
export function findIneffective(definition: unknown): FieldFault[] {
  const isTool = isJsonObject(definition) && definition["tool"] === true;
  return isTool ? [{ path: "/tool", message: "has no effect in this version of Headrace yet" }] : [];
}

/** A fault for each member that asks for what cannot be run yet. */
export function findUnsupported(draft: DraftDefinition): FieldFault[] {
  return draft.steps.flatMap((step) =>
    STEP_MEMBERS.filter((member) => step.members.has(member)).map((member) => ({
      path: `${step.path}/${member}`,
      message: `${member} ${NOT_YET}`,
    })),
  );
}
