import { describe, expect, it } from "@jest/globals";
import { applyPatch } from "./apply-patch.js";

const DEFINITION = { steps: [{ id: "a" }, { id: "b", retry: { maxAttempts: 2 } }] };

describe("a patch of the copilot", () => {
  it("adds, replaces, removes, and leaves what it was made for as it is", () => {
    const before = structuredClone(DEFINITION);
    const after = applyPatch(DEFINITION, [
      { op: "test", path: "/steps/0/id", value: "a" },
      { op: "add", path: "/steps/0/timeoutSeconds", value: 60 },
      { op: "replace", path: "/steps/1/retry/maxAttempts", value: 5 },
      { op: "add", path: "/steps/-", value: { id: "c" } },
      { op: "remove", path: "/steps/1/id" },
    ]);
    expect(after).toEqual({
      steps: [{ id: "a", timeoutSeconds: 60 }, { retry: { maxAttempts: 5 } }, { id: "c" }],
    });
    expect(DEFINITION).toEqual(before);
  });

  it("moves and copies, with escaped names", () => {
    const after = applyPatch({ "a/b": 1, list: [2] }, [
      { op: "copy", from: "/a~1b", path: "/list/0" },
      { op: "move", from: "/a~1b", path: "/c~0d" },
    ]);
    expect(after).toEqual({ "c~d": 1, list: [1, 2] });
  });

  it("is refused where it does not fit", () => {
    expect(() => applyPatch(DEFINITION, [{ op: "replace", path: "/steps/7/id", value: "x" }])).toThrow();
    expect(() => applyPatch(DEFINITION, [{ op: "test", path: "/steps/0/id", value: "z" }])).toThrow();
    expect(() => applyPatch(DEFINITION, [{ op: "remove", path: "/nothing" }])).toThrow();
  });
});
