import type { Suggestion } from "../../../../src/contracts/api/copilot.js";

let handed: Suggestion | undefined;

/** Gives a suggestion to the editor that is opened next. It is kept in this window's memory and nowhere else. */
export function handOver(suggestion: Suggestion): void {
  handed = suggestion;
}

/** What was handed over for a kind of document, once: whoever takes it has it alone. */
export function takeHandedOver(kind: "definition" | "config"): Suggestion | undefined {
  const taken = handed?.target?.kind === kind ? handed : undefined;
  handed = undefined;
  return taken;
}
