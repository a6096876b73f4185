import { describe, expect, it } from "@jest/globals";
import { assertStorable, createStdoutCapture } from "./output-value.js";

describe("assertStorable", () => {
  it("lets JSON values through, pairs of surrogates and deep ones included", () => {
    let deep: unknown = 1;
    for (let level = 0; level < 190; level += 1) deep = [deep];
    for (const value of [null, 1.5, "🎉", [1, [2]], { a: { b: true } }, deep]) {
      expect(assertStorable(value)).toBe(value);
    }
  });

  it.each([
    ["a number that overflowed", JSON.parse('{"a":[1,1e400]}'), "/a/1"],
    ["half a surrogate pair", { "x/y": ["\ud800"] }, "/x~1y/0"],
    ["a NUL", ["ok", "a\0"], "/1"],
    ["a NUL in a name", { a: { "b\0": 1 } }, "/a"],
  ])("refuses %s with its place", (_, value, path) => {
    expect(() => assertStorable(value)).toThrow(
      expect.objectContaining({ code: "invalid_output", details: { path } }),
    );
  });

  it("refuses what is nested too deeply without running out of stack itself", () => {
    const deep = JSON.parse("[".repeat(5_000) + "]".repeat(5_000));
    expect(() => assertStorable(deep)).toThrow(/nested deeper than 200/);
  });
});

describe("createStdoutCapture", () => {
  const capture = (text: string, limit = 1_000, size = 7) => {
    const stdout = createStdoutCapture(limit);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) stdout.push(bytes.subarray(at, at + size));
    return stdout;
  };

  it.each([
    ['{"a":1}', { a: 1 }],
    ['log\n{"a":1}\n\n', { a: 1 }],
    ['log\r\n {"a":1}\r\n', { a: 1 }],
    ["[1]\n", { rawStdout: "[1]\n" }],
    ['{"a":1}\nlog\n', { rawStdout: '{"a":1}\nlog\n' }],
    ['{"a":', { rawStdout: '{"a":' }],
    ["", { rawStdout: "" }],
    ["a\0b", { rawStdout: "a\uFFFDb" }],
  ])("reads %j", (text, output) => {
    expect(capture(text).toOutput()).toEqual(output);
  });

  it("refuses more than the limit, unless its last line is an object", () => {
    expect(() => capture("log line\n".repeat(200)).toOutput()).toThrow(/1000 bytes/);
    expect(capture(`${"log line\n".repeat(200)}{"a":1}\n`).toOutput()).toEqual({ a: 1 });
    expect(() => capture(`{"a":"${"x".repeat(2_000)}"}`).toOutput()).toThrow(/1000 bytes/);
    expect(() => capture("x".repeat(1_001), 1_000, 5_000).toOutput()).toThrow(/1000 bytes/);
  });

  it("holds nothing once it is known that main gives the output", () => {
    const stdout = createStdoutCapture(10);
    stdout.push(Buffer.from("x".repeat(100)));
    stdout.drop();
    stdout.push(Buffer.from("y".repeat(100)));
    expect(stdout.toOutput()).toEqual({ rawStdout: "" });
  });
});
