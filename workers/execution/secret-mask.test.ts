import { describe, expect, it } from "@jest/globals";
import { createCutLines, createSecretMask } from "./secret-mask.js";

const SECRET = "p@ss/wörd 'x+1'";
const mask = createSecretMask([SECRET]);
const bytes = Buffer.from(SECRET);

describe("the secret mask", () => {
  it.each([
    ["as it is", SECRET],
    ["in JSON", JSON.stringify({ a: SECRET })],
    ["in JSON of JSON", JSON.stringify(JSON.stringify(SECRET))],
    ["in Python's ASCII JSON", "p@ss/w\\u00f6rd 'x+1'"],
    ["in Python's repr", "p@ss/wörd \\'x+1\\'"],
    ["by encodeURIComponent", encodeURIComponent(SECRET)],
    ["by Python's quote", "p%40ss/w%C3%B6rd%20%27x%2B1%27"],
    ["by Python's quote_plus", "p%40ss%2Fw%C3%B6rd+%27x%2B1%27"],
    ["with lower-case escapes", encodeURIComponent(SECRET).replace(/%../g, (part) => part.toLowerCase())],
    ["in hexadecimal", bytes.toString("hex")],
    ["in base64", bytes.toString("base64")],
    ["in base64url", bytes.toString("base64url")],
    ["in basic authentication", Buffer.from(`user:${SECRET}`).toString("base64")],
    ["two bytes into base64", Buffer.from(`ab${SECRET}zz`).toString("base64")],
  ])("hides a secret %s", (_form, text) => {
    const masked = mask.text(`before ${text} after`);
    expect(masked).toContain("••••••");
    expect(masked).not.toContain(text);
  });

  it("hides every line of a secret of several lines", () => {
    const pem = createSecretMask(["-----BEGIN KEY-----\nMIIabcdef\nGHIjkl12\n-----END KEY-----\n"]);
    expect(pem.json(["MIIabcdef", { GHIjkl12: "x MIIabcdef y" }])).toEqual([
      "••••••",
      { "••••••": "x •••••• y" },
    ]);
  });

  it("hides digits that were turned into a number, and leaves the rest alone", () => {
    const pin = createSecretMask(["73829146"]);
    expect(pin.json({ pin: 73829146, n: 7, list: [1.5, true, null] })).toEqual({
      pin: "••••••",
      n: 7,
      list: [1.5, true, null],
    });
  });

  it("knows how much of a text's end may yet become a secret", () => {
    const tokens = createSecretMask(["abab-xyz", "abab"]);
    const open = (text: string) => text.slice(text.length - tokens.countOpenEnd(text));
    expect([open("so a"), open("no"), open("x aba"), open("x abab"), open("")]).toEqual([
      "a",
      "",
      "aba",
      "",
      "",
    ]);
    expect(createSecretMask([]).countOpenEnd("abab")).toBe(0);
  });

  it("hides what is left of a secret where a text was cut, and leaves shorter likenesses", () => {
    expect(mask.cut(`told ${SECRET.slice(0, 9)}`)).toBe("told ••••••");
    expect(mask.cut(`${SECRET.slice(-9)} was told`)).toBe("•••••• was told");
    expect(mask.cut({ list: [`${SECRET.slice(5)}|${SECRET}|${SECRET.slice(0, 8)}`] })).toEqual({
      list: ["••••••|••••••|••••••"],
    });
    expect(mask.cut("a p@ss")).toBe("a p@ss");
  });

  it("hides a secret wherever a line is cut in two or three, and loses nothing else", () => {
    for (const form of [SECRET, encodeURIComponent(SECRET), Buffer.from(SECRET).toString("base64")]) {
      const line = `x${form}y`;
      for (let first = 0; first <= line.length; first += 1) {
        const second = Math.min(line.length, first + 3);
        const lines = createCutLines<"stdout">(mask);
        const shown = [
          lines.mask("stdout", line.slice(0, first), { continues: true }),
          lines.mask("stdout", line.slice(first, second), { continues: true }),
          lines.mask("stdout", line.slice(second), { continues: false }),
        ].join("");
        expect([first, shown]).toEqual([first, mask.text(line)]);
        expect(shown).toContain("••••••");
        expect(lines.end()).toEqual([]);
      }
    }
    const left = createCutLines<"stdout">(mask);
    expect(left.mask("stdout", "so p@ss", { continues: true })).toBe("so ");
    expect(left.end()).toEqual([{ stream: "stdout", text: "p@ss" }]);
  });

  it("is quick with secrets of many kilobytes", () => {
    const long = createSecretMask(["ab".repeat(32_000)]);
    const startedAt = performance.now();
    expect(long.countOpenEnd(`x${"ab".repeat(31_000)}`)).toBe(62_000);
    expect(long.text(`x${"ab".repeat(32_000)}y`)).toBe("x••••••y");
    expect(long.countOpenEnd(`${"ab".repeat(32_000)}yab`)).toBe(2);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it("does nothing without secrets, or with ones too short to hide", () => {
    expect(createSecretMask(["abc", ""]).text("abc abc")).toBe("abc abc");
  });
});
