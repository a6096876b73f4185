import { describe, expect, it } from "@jest/globals";
import { toOwnPath } from "./own-path.js";

describe("toOwnPath", () => {
  it.each([
    ["/runs?status=failed#x", "/runs?status=failed#x"],
    ["/a/../runs", "/runs"],
    ["/runs//x", "/runs//x"],
  ])("keeps %j", (text, path) => {
    expect(toOwnPath(text)).toBe(path);
  });

  it.each([
    undefined,
    "",
    "runs",
    "//evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    // what is left of these once their dots are resolved
    "/..//evil.example",
    "/.//evil.example/path",
    "/%2e%2e//evil.example",
    "/a/..//evil.example",
    "/..\\\\evil.example",
  ])("does not take %j", (text) => {
    expect(toOwnPath(text)).toBe("/");
  });
});
