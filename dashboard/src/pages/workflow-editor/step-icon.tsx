import { createElement } from "react";
import { iconOf } from "./step-look.js";

/** The icon of what a step uses; said in words beside it. `size` in pixels. */
export function StepIcon({
  uses,
  mcpType,
  size,
}: {
  readonly uses: string;
  readonly mcpType: string | undefined;
  readonly size: number;
}) {
  return createElement(iconOf(uses, mcpType), { size, "aria-hidden": true });
}
