import { describe, expect, it } from "@jest/globals";
import { buildPlan, type StepDraft } from "../../test/support/build-plan.js";
import type { JsonValue } from "./json.js";
import { inputsAtHand, isEffectless } from "./perform-step.js";
import { stepAt } from "./settle.js";

function build(draft: Partial<StepDraft>) {
  return buildPlan([{ id: "a" }, { id: "b", after: ["a"], ...draft }]);
}

function isSo(draft: Partial<StepDraft>): boolean {
  return isEffectless(stepAt(build(draft), 1));
}

function resolve(inputs: StepDraft["inputs"], output?: JsonValue) {
  const plan = build({ inputs });
  return inputsAtHand(plan, stepAt(plan, 1), (index) => (index === 0 ? output : undefined));
}

describe("isEffectless", () => {
  it("is a no-op of plain values", () => {
    expect(isSo({})).toBe(true);
    expect(isSo({ inputs: { a: { value: 1 }, b: { input: "/b" }, c: { step: "a", output: "/c" } } })).toBe(
      true,
    );
  });

  it("is nothing that takes time, means or care", () => {
    expect(isSo({ target: { kind: "builtin", name: "http" } })).toBe(false);
    expect(isSo({ inputs: { a: { expression: "1" } } })).toBe(false);
    expect(isSo({ inputs: { a: { secret: "key" } } })).toBe(false);
    expect(isSo({ cache: { ttlSeconds: 1 } })).toBe(false);
    expect(isSo({ wholeInput: true })).toBe(false);
    expect(isSo({ timeoutSeconds: 5 })).toBe(false);
  });
});

describe("inputsAtHand", () => {
  it("takes values, and what steps that have just ended came to", () => {
    const inputs = { a: { value: [1] }, b: { step: "a", output: "/deep/1" } };
    expect(resolve(inputs, { deep: [1, 2] })).toEqual({ a: [1], b: 2 });
  });

  it("leaves out what is not there, as ever", () => {
    expect(resolve({ b: { step: "a", output: "/none" } }, {})).toEqual({});
  });

  it("is nothing where an output or the run's input would have to be read", () => {
    expect(resolve({ b: { step: "a", output: "" } })).toBeUndefined();
    expect(resolve({ b: { input: "/x" } }, {})).toBeUndefined();
  });
});
