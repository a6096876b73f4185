import { describe, expect, it } from "@jest/globals";
import { nextAfterSignIn } from "./session.js";

const ORIGIN = "https://headrace.example";
const next = (value: string) => nextAfterSignIn(`?next=${encodeURIComponent(value)}`, ORIGIN);

describe("nextAfterSignIn", () => {
  it("leads to a path of this server, with its query", () => {
    expect(next("/runs?status=failed#x")).toBe("/runs?status=failed#x");
    expect(nextAfterSignIn("", ORIGIN)).toBe("/");
  });

  it.each([
    "//evil.example",
    "/\\evil.example",
    "/..//evil.example",
    "/.//evil.example/path",
    "/runs/%2e%2e//evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "\thttps://evil.example",
    "https://headrace.example.evil.example/",
    "https://headrace.example@evil.example/",
    "http://[",
  ])("does not lead to %j", (value) => {
    expect(next(value)).toBe("/");
  });
});
