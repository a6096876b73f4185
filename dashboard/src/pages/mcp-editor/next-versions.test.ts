import { describe, expect, it } from "@jest/globals";
import { nextVersions, suggestKind } from "./next-versions.js";

const object = (names: readonly string[], required: readonly string[] = []) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required,
});

describe("the next version", () => {
  it("follows the highest release, whatever the order, and leaves pre-releases aside", () => {
    const versions = nextVersions(["1.9.0", "1.10.2", "2.0.0-trial.1", "1.10.3-trial.1"]);
    expect(versions.map(({ version }) => version)).toEqual(["1.10.3", "1.11.0", "2.0.0", "1.10.3-trial.2"]);
  });

  it("is 1.0.0 when there is none", () => {
    expect(nextVersions([]).map(({ version }) => version)).toEqual(["1.0.0", "1.0.0-trial.1"]);
  });

  it("is major for a new required input, for one taken away, for another type", () => {
    const before = { inputSchema: object(["a"]), outputSchema: null };
    expect(suggestKind(before, { inputSchema: object(["a", "b"], ["b"]), outputSchema: null })).toBe("major");
    expect(suggestKind(before, { inputSchema: object([]), outputSchema: null })).toBe("major");
    const other = { type: "object", properties: { a: { type: "number" } } };
    expect(suggestKind(before, { inputSchema: other, outputSchema: null })).toBe("major");
  });

  it("is minor for something more, patch for the same", () => {
    const before = { inputSchema: object(["a"], ["a"]), outputSchema: object(["x"]) };
    expect(suggestKind(before, { ...before, outputSchema: object(["x", "y"]) })).toBe("minor");
    expect(suggestKind(before, before)).toBe("patch");
  });
});
