import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { cleanText, createLineSplitter } from "./line-splitter.js";

function split(chunks: readonly Buffer[], maxLineBytes?: number): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line), maxLineBytes);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.flush();
  return lines;
}

describe("createLineSplitter", () => {
  it("ends lines at LF and CRLF, keeps empty ones, and hands out the rest at the end", () => {
    expect(split([Buffer.from("a\r\n\nb\rc\nd")])).toEqual(["a", "", "b\rc", "d"]);
    expect(split([])).toEqual([]);
  });

  it("gives the same lines however the bytes are cut", () => {
    const text = fc.array(fc.constantFrom("\n", "\r\n", "é", "🎉", "a"), { maxLength: 60 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(40), { maxLength: 10 }), (parts, cuts) => {
        const bytes = Buffer.from(parts.join(""));
        const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        expect(split(chunks, 16)).toEqual(split([bytes], 16));
      }),
    );
  });

  it("cuts long lines between characters, losing none", () => {
    const text = "é🎉x".repeat(50);
    const lines = split([Buffer.from(text)], 10);
    expect(lines.join("")).toBe(text);
    expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(10);
  });

  it("replaces NUL and what is no UTF-8, even in a line of continuation bytes alone", () => {
    expect(split([Buffer.from([0x61, 0, 0xff, 10])])).toEqual(["a\uFFFD\uFFFD"]);
    expect(split([Buffer.alloc(25, 0x80)], 10)).toHaveLength(3);
  });
});

describe("cleanText", () => {
  it("replaces what PostgreSQL cannot hold", () => {
    expect(cleanText("a\0b\ud800c🎉")).toBe("a\uFFFDb\uFFFDc🎉");
  });
});
