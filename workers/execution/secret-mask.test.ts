import { describe, expect, it } from "@jest/globals";
import { createSecretMask } from "./secret-mask.js";

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

  it("does nothing without secrets, or with ones too short to hide", () => {
    expect(createSecretMask(["abc", ""]).text("abc abc")).toBe("abc abc");
  });
});
