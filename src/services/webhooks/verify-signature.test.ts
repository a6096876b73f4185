import { createHmac } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { isSignatureValid } from "./verify-signature.js";

const SECRET = "a secret of the webhook";
const NOW = 1_800_000_000.4;
const bytes = Buffer.from('{ "a" : 1 }\n');
const hmac = (timestamp: string, secret = SECRET) =>
  createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest("hex");
const timestamp = "1800000000";
const signature = `sha256=${hmac(timestamp)}`;

describe("the signature of a delivery", () => {
  it("is good within 300 seconds of the database's clock, both ways", () => {
    for (const [seconds, isGood] of [
      [0, true],
      [-299, true],
      [300, true],
      [-301, false],
      [301, false],
    ] as const) {
      const at = String(1_800_000_000 + seconds);
      expect([
        seconds,
        isSignatureValid({ timestamp: at, signature: `sha256=${hmac(at)}`, bytes }, SECRET, NOW),
      ]).toEqual([seconds, isGood]);
    }
  });

  it.each([
    ["no timestamp", { timestamp: undefined }],
    ["no signature", { signature: undefined }],
    ["an empty one", { signature: "" }],
    ["no prefix", { signature: hmac(timestamp) }],
    ["a short one", { signature: signature.slice(0, -1) }],
    ["half of one", { signature: signature.slice(0, 39) }],
    ["a long one", { signature: `${signature}0` }],
    ["capitals", { signature: `sha256=${hmac(timestamp).toUpperCase()}` }],
    ["a line after it", { signature: `${signature}\n` }],
    ["two of them", { signature: `${signature}, ${signature}` }],
    ["another algorithm", { signature: signature.replace("sha256", "sha1") }],
    ["another secret", { signature: `sha256=${hmac(timestamp, "other")}` }],
    ["another timestamp than was signed", { timestamp: "1800000001" }],
    ["a timestamp in other clothes", { timestamp: "1.8e9", signature: `sha256=${hmac("1.8e9")}` }],
    ["a signed negative timestamp", { timestamp: "-1", signature: `sha256=${hmac("-1")}` }],
    ["another body", { bytes: Buffer.from('{"a":1}') }],
  ])("is bad with %s", (_what, change) => {
    expect(isSignatureValid({ timestamp, signature, bytes }, SECRET, NOW)).toBe(true);
    expect(isSignatureValid({ timestamp, signature, bytes, ...change }, SECRET, NOW)).toBe(false);
  });
});
