import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import semver from "semver";
import { parseSemver, RELEASE_MARK, toVersionOrder } from "./semver-order.js";

function order(text: string): string {
  const version = parseSemver(text);
  if (!version) throw new Error(`${text} is no version`);
  return toVersionOrder(version);
}

const numeric = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 2 ** 40 })).map(String);
const identifier = fc.oneof(
  numeric,
  fc.stringMatching(/^[a-zA-Z-][0-9a-zA-Z-]{0,4}$/),
  fc.constantFrom("alpha", "alpha1", "Alpha", "-", "rc", "rc-1", "0a"),
);
const version = fc
  .tuple(numeric, numeric, numeric, fc.array(identifier, { maxLength: 3 }))
  .map(
    ([major, minor, patch, pre]) => `${major}.${minor}.${patch}${pre.length > 0 ? `-${pre.join(".")}` : ""}`,
  );

describe("parseSemver", () => {
  it.each([
    "1.2",
    "v1.0.0",
    "01.0.0",
    "1.0.0-",
    "1.0.0-01",
    "1.0.0+",
    " 1.0.0",
    "1.0.0\n",
    "1",
    "",
    "=1.0.0",
    "1.0.0-a..b",
    `1.0.0-${"a".repeat(80)}`,
  ])("refuses %j", (text) => {
    expect(parseSemver(text)).toBeUndefined();
  });

  it("reads every part", () => {
    expect(parseSemver("1.20.3-rc.1+build.5")).toEqual({
      release: ["1", "20", "3"],
      prerelease: ["rc", "1"],
      build: ["build", "5"],
    });
  });
});

describe("toVersionOrder", () => {
  it("sorts as semver does, in ASCII and in a language's collation", () => {
    const collator = new Intl.Collator("en-US");
    fc.assert(
      fc.property(version, version, (one, other) => {
        const expected = semver.compare(one, other);
        const [a, b] = [order(one), order(other)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(expected);
        expect(Math.sign(collator.compare(a, b))).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it("ignores build metadata, and marks releases", () => {
    expect(order("1.0.0+a")).toBe(order("1.0.0+b"));
    expect(order("1.0.0").endsWith(RELEASE_MARK)).toBe(true);
    expect(order("1.0.0-rc.1").endsWith(RELEASE_MARK)).toBe(false);
    expect(order("1.0.0-z").endsWith(RELEASE_MARK)).toBe(false);
  });
});
