import { describe, expect, it } from "@jest/globals";
import { parseNpxArgs, parseUvxArgs } from "./package-request.js";

describe("packages to start servers from", () => {
  it.each([
    [["-y", "@scope/server"], { name: "@scope/server", range: undefined, program: undefined, args: [] }],
    [["server@1.2.3", "--port", "1"], { name: "server", range: "1.2.3", args: ["--port", "1"] }],
    [["-y", "server@latest", "-y"], { name: "server", range: undefined, args: ["-y"] }],
    [["-p", "tools@^2", "serve", "x"], { name: "tools", range: "^2", program: "serve", args: ["x"] }],
    [["--package=tools", "--", "serve"], { name: "tools", program: "serve", args: [] }],
  ])("npx %j", (args, request) => {
    expect(parseNpxArgs(args)).toMatchObject({ registry: "npm", ...request });
  });

  it.each([
    [["server"], { name: "server", range: undefined, program: undefined }],
    [["server==1.2", "a"], { name: "server", range: "1.2", args: ["a"] }],
    [["--from", "tools[cli]==3", "serve"], { name: "tools[cli]", range: "3", program: "serve" }],
  ])("uvx %j", (args, request) => {
    expect(parseUvxArgs(args)).toMatchObject({ registry: "pypi", ...request });
  });

  it.each([
    [[]],
    [["-y"]],
    [["-c", "rm -rf /"]],
    [["--call", "x", "y"]],
    [["https://evil.example/x.tgz"]],
    [["git+ssh://evil.example/x"]],
    [["./local"]],
    [["../up"]],
    [["user/repository"]],
    [["server@file:../x"]],
    [["-p", "tools"]],
    [["-p", "tools", "../../bin/sh"]],
  ])("refuses npx %j", (args) => {
    expect(() => parseNpxArgs(args)).toThrow(RangeError);
  });
});
