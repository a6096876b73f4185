import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { parseAnsi, stripAnsi } from "./ansi.js";

describe("parseAnsi", () => {
  it("tells colours, bold and dim apart, until they end", () => {
    expect(parseAnsi("a\u001b[1;31mb\u001b[22mc\u001b[39md\u001b[2me\u001b[mf")).toEqual([
      { text: "a" },
      { text: "b", color: 1, isBold: true },
      { text: "c", color: 1 },
      { text: "d" },
      { text: "e", isDim: true },
      { text: "f" },
    ]);
  });

  it("takes the nearest of the palette for 256 and true colours", () => {
    expect(parseAnsi("\u001b[38;5;196mx")[0]?.color).toBe(9);
    expect(parseAnsi("\u001b[38;2;0;200;0;1mx")).toEqual([{ text: "x", color: 2, isBold: true }]);
    expect(parseAnsi("\u001b[48;5;22mx")).toEqual([{ text: "x" }]);
  });

  it("drops what moves cursors, clears screens, sets titles and links", () => {
    const line =
      "\u001b[2K\u001b[1Gdone\u001b]0;title\u0007 \u001b]8;;https://evil.example\u001b\\here\u001b]8;;\u001b\\";
    expect(stripAnsi(line)).toBe("done here");
    expect(
      parseAnsi(line)
        .map(({ text }) => text)
        .join(""),
    ).toBe("done here");
  });

  it("loses no text that is not an escape", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.array(fc.integer({ min: 0, max: 110 })), (texts, codes) => {
        const clean = texts.map((text) => text.replaceAll("\u001b", ""));
        const line = clean.map((text, index) => `\u001b[${codes[index] ?? 0}m${text}`).join("");
        expect(stripAnsi(line)).toBe(clean.join(""));
        expect(
          parseAnsi(line)
            .map(({ text }) => text)
            .join(""),
        ).toBe(clean.join(""));
      }),
    );
  });
});
