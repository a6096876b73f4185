import type { FieldFault } from "../../errors/app-error.js";
import type { DraftStep } from "./parse-definition.js";
import type { ResolvedTarget } from "./resolve-targets.js";

/** Faults of members that steps have because they start an app, or cannot have because they do. */
export function checkAppSteps(
  steps: readonly DraftStep[],
  targets: ReadonlyMap<number, ResolvedTarget>,
): FieldFault[] {
  return steps.flatMap(({ index, path, members }) => {
    const target = targets.get(index)?.target;
    if (!target) return [];
    const isApp = target.kind === "mcp" && target.mcpType === "streamlit_app";
    const faults: FieldFault[] = [];
    if (members.has("waitForSubmit") && !isApp)
      faults.push({
        path: `${path}/waitForSubmit`,
        message: "is for steps whose component is a streamlit_app",
      });
    if (members.has("cache") && isApp)
      faults.push({
        path: `${path}/cache`,
        message: "is not for apps: what was kept would name one that is gone",
      });
    return faults;
  });
}
