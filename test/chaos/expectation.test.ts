import { expect, test } from "@jest/globals";
import type { ChaosStep, Fate } from "./blueprint.js";
import { expectRun } from "./expectation.js";

const step = (id: string, dependsOn: string[], fate: Fate = "succeeds", more = {}): ChaosStep => ({
  id,
  fields: { uses: "builtin:noop", dependsOn, ...more },
  fate,
});
const boom = { failsWith: "script_error" };
const endOf = (main: ChaosStep[], gate: "approve" | "reject" = "approve") => {
  const { status, steps, codes } = expectRun({ main }, gate);
  return { status, steps: Object.fromEntries(steps), codes: [...codes] };
};

test("a failure blocks what needs it, wakes handlers, and fails the run", () => {
  const main = [
    step("join", ["b", "c"]),
    step("a", []),
    step("b", ["a"]),
    step("c", ["a"], boom),
    step("handler", ["c"], "succeeds", { runAfter: "anyFailed" }),
    step("unneeded", ["b"], "succeeds", { runAfter: "anyFailed" }),
    step("after", ["join"], "succeeds", { runAfter: "allDone" }),
  ];
  expect(endOf(main)).toEqual({
    status: "failed",
    steps: {
      a: "succeeded",
      b: "succeeded",
      c: "failed",
      join: "skipped",
      handler: "succeeded",
      unneeded: "skipped",
      after: "succeeded",
    },
    codes: ["script_error"],
  });
});

test("a tolerated failure and a skipped step do not fail a run", () => {
  const tolerated = step("a", [], boom, { onError: "continue" });
  expect(endOf([tolerated, step("b", ["a"])])).toMatchObject({
    status: "succeeded",
    steps: { a: "failed", b: "succeeded" },
  });
  expect(endOf([step("a", [], "skips"), step("b", ["a"])])).toMatchObject({
    status: "succeeded",
    steps: { a: "skipped", b: "skipped" },
  });
});

test("a gate goes as it is decided, and later lists follow the main one", () => {
  const gate = step("gate", [], "gate");
  expect(endOf([gate, step("b", ["gate"])]).status).toBe("succeeded");
  expect(endOf([gate, step("b", ["gate"])], "reject")).toMatchObject({
    status: "failed",
    codes: ["rejected"],
  });
  const lists = { onFailure: [step("tell", [])], finally: [step("tidy", [])] };
  const good = expectRun({ main: [step("a", [])], ...lists }, "approve");
  expect(Object.fromEntries(good.steps)).toEqual({ a: "succeeded", tell: "skipped", tidy: "succeeded" });
  const bad = expectRun({ main: [step("a", [], boom)], ...lists }, "approve");
  expect(Object.fromEntries(bad.steps)).toEqual({ a: "failed", tell: "succeeded", tidy: "succeeded" });
});
