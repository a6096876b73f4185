import type { FindingRule } from "./finding-rule.js";
import { findReplaceable } from "./replaceable-version.js";

/** Steps that are pinned to a version which has successors. */
export const outdatedComponent: FindingRule = {
  kind: "outdated-component",
  find: (ground) => findReplaceable(ground, { kind: "outdated-component", isDeprecated: false }),
};
