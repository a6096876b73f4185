import { describe, expect, it } from "@jest/globals";
import { placeOf, readText, rewriteText, stepPointerAt, writeText } from "./yaml-document.js";

const TEXT = `# what it is for
inputs:
  type: object
steps:
  # reads
  - id: read # the first
    uses: mcp:read@1.0.0
  # sums
  - id: sum
    uses: 'mcp:sum@1.0.0'
    inputs:
      rows: { step: read, output: /rows }
`;

const definition = () => {
  const read = readText(TEXT).definition;
  if (!read) throw new Error("does not parse");
  return structuredClone(read) as { steps: Record<string, unknown>[] };
};

describe("one document, text and definition", () => {
  it("stays letter for letter when nothing has changed", () => {
    expect(rewriteText(TEXT, definition())).toBe(TEXT);
  });

  it("keeps comments when a step changes, and changes nothing else", () => {
    const next = definition();
    Object.assign(next.steps[1] ?? {}, { timeoutSeconds: 60 });
    expect(rewriteText(TEXT, next)).toBe(`${TEXT}    timeoutSeconds: 60\n`);
  });

  it("keeps the comments of steps when another one goes or is renamed", () => {
    const without = definition();
    without.steps.shift();
    const left = rewriteText(TEXT, without);
    expect(left).toContain("# sums");
    expect(left).not.toContain("# the first");
    const renamed = definition();
    Object.assign(renamed.steps[0] ?? {}, { id: "load" });
    expect(rewriteText(TEXT, renamed)).toContain("- id: load # the first");
  });

  it("writes steps in blocks and mappings in lines", () => {
    const text = rewriteText("steps: []\n", {
      steps: [{ id: "a", uses: "builtin:noop", inputs: { x: { input: "/x" } }, dependsOn: ["b"] }],
    });
    expect(text).toBe(
      "steps:\n  - id: a\n    uses: builtin:noop\n    inputs:\n      x: { input: /x }\n    dependsOn: [ b ]\n",
    );
    expect(readText(writeText({ steps: [] })).definition).toEqual({ steps: [] });
  });

  it("finds the place of a fault, and the step at a place", () => {
    const { from, to } = placeOf(TEXT, "/steps/1/inputs/rows");
    expect(TEXT.slice(from, to)).toBe("rows");
    const uses = placeOf(TEXT, "/steps/0/uses");
    expect(TEXT.slice(uses.from, uses.to)).toBe("mcp:read@1.0.0");
    const missing = placeOf(TEXT, "/steps/1/retry/maxAttempts");
    expect(TEXT.slice(missing.from).startsWith("id: sum")).toBe(true);
    expect(stepPointerAt(TEXT, TEXT.indexOf("mcp:sum"))).toBe("/steps/1");
  });

  it("says where a text is no YAML", () => {
    const { definition: none, fault } = readText("steps:\n  - id: [a\n");
    expect(none).toBeUndefined();
    expect(fault?.message).toBeTruthy();
  });
});
