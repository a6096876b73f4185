import { describe, expect, it } from "@jest/globals";
import { toStorableJson, toStorableText } from "./storable-text.js";

describe("what PostgreSQL can hold", () => {
  it("is text without NUL and without half of a surrogate pair", () => {
    expect(toStorableText("a\0b")).toBe("a\ufffdb");
    expect(toStorableText("\ud800x\udc00")).toBe("\ufffdx\ufffd");
    expect(toStorableText("\ud83d\ude00")).toBe("\ud83d\ude00");
  });

  it("is a value whose texts and names are such, however deep they are", () => {
    const value = { "n\0": ["\ud800", { a: "\udc00" }], n: 1, b: true, z: null };
    expect(toStorableJson(value)).toEqual({
      "n\ufffd": ["\ufffd", { a: "\ufffd" }],
      n: 1,
      b: true,
      z: null,
    });
  });
});
