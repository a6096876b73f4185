import type { FindingRule } from "./finding-rule.js";
import { findReplaceable } from "./replaceable-version.js";

/** Steps that are pinned to a version which its owner has deprecated. */
export const deprecatedComponent: FindingRule = {
  kind: "deprecated-component",
  find: (ground) => findReplaceable(ground, { kind: "deprecated-component", isDeprecated: true }),
};
