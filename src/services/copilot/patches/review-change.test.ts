import { describe, expect, it } from "@jest/globals";
import type { PatchOperation } from "../../../contracts/api/copilot.js";
import type { JsonValue } from "../../../core/json.js";
import { applyPatch } from "./apply-patch.js";
import { reviewChange } from "./review-change.js";

const DEFINITION: JsonValue = {
  steps: [
    { id: "load", uses: "builtin:noop" },
    { id: "gate", uses: "builtin:approval", dependsOn: ["load"], inputs: { message: { value: "Go?" } } },
    { id: "note", uses: "builtin:noop", dependsOn: ["gate"] },
    { id: "deploy", uses: "builtin:noop", inputs: { who: { step: "note", output: "" } } },
    { id: "tell", uses: "builtin:noop", inputs: { text: { expression: "steps.deploy.output.text" } } },
    { id: "other", uses: "builtin:noop" },
  ],
};

function review(...patch: PatchOperation[]): string[] {
  const patched = applyPatch(DEFINITION, patch);
  if ("fault" in patched) throw new Error(patched.fault);
  return reviewChange(DEFINITION, patched.value);
}

describe("reviewChange", () => {
  it.each<[string, PatchOperation[], string[]]>([
    ["an approval that goes", [{ op: "remove", path: "/steps/1" }], ["takes the approval gate away"]],
    [
      "an approval that is not asked for",
      [{ op: "add", path: "/steps/1/when", value: "false" }],
      ["changes the approval gate"],
    ],
    [
      "an approval whose refusal is let pass",
      [{ op: "add", path: "/steps/1/onError", value: "continue" }],
      ["changes the approval gate"],
    ],
    [
      "a step that waits for it no more",
      [{ op: "remove", path: "/steps/4/inputs" }],
      ["takes the step tell out from behind the approval gate"],
    ],
    [
      "steps far behind it that wait for it no more",
      [{ op: "replace", path: "/steps/3/inputs", value: {} }],
      ["deploy", "tell"].map((step) => `takes the step ${step} out from behind the approval gate`),
    ],
    [
      "a step that runs whatever was decided",
      [{ op: "add", path: "/steps/2/runAfter", value: "allDone" }],
      ["takes the step note out from behind the approval gate"],
    ],
    [
      "a step under another name",
      [
        { op: "replace", path: "/steps/4/id", value: "tell2" },
        { op: "replace", path: "/steps/4/inputs", value: {} },
      ],
      ["takes the step tell out from behind the approval gate"],
    ],
  ])("names %s", (_what, patch, reasons) => {
    expect(review(...patch)).toEqual(reasons);
  });

  it.each<[string, PatchOperation[]]>([
    ["retries", [{ op: "add", path: "/steps/3/retry", value: { maxAttempts: 2 } }]],
    ["one more step behind it", [{ op: "add", path: "/steps/5/dependsOn", value: ["gate"] }]],
    ["one more approval", [{ op: "add", path: "/steps/-", value: { id: "also", uses: "builtin:approval" } }]],
  ])("lets pass %s", (_what, patch) => {
    expect(review(...patch)).toEqual([]);
  });
});
