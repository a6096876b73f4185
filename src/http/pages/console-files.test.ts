import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { findConsoleFiles } from "./console-files.js";

let folder: string;

function build(pagePaths: readonly string[], html = "<script>one()</script>"): void {
  writeFileSync(join(folder, "pages.json"), JSON.stringify(pagePaths));
  writeFileSync(join(folder, "index.html"), html);
}

describe("findConsoleFiles", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "headrace-console-"));
    mkdirSync(join(folder, "assets"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("finds nothing where no console has been built", () => {
    expect(findConsoleFiles([folder, join(folder, "absent")])).toBeUndefined();
  });

  it.each([
    "/api/v1/x",
    "/hooks/:token",
    "/docs",
    "/admin/queues",
    "/assets/x",
    "/mcp",
    "/openapi.json",
    "/*rest",
  ])("refuses a build that claims %s", (path) => {
    build(["/", path]);
    expect(() => findConsoleFiles([folder])).toThrow(path);
  });

  it("takes paths that only begin like the API's", () => {
    build(["/mcps/:id", "/apis"]);
    expect(findConsoleFiles([folder])?.pagePaths).toEqual(["/mcps/:id", "/apis"]);
  });

  it("allows the page's own script by its hash, and no other", () => {
    build(["/"]);
    const { policy } = findConsoleFiles([folder]) ?? {};
    expect(policy).toContain("script-src 'self' 'sha256-HR7iaask9daLMRRskMI++QeJtjWDOjyPA6lGzYGzKW4='; ");
  });

  it("answers in the best coding that the client takes, and lists known kinds of files alone", () => {
    build(["/"]);
    for (const name of ["a.js", "a.js.br", "a.js.gz", "a.map", "b.css"])
      writeFileSync(join(folder, "assets", name), name);
    const files = findConsoleFiles([folder]);
    expect(files?.assets.map(({ name }) => name)).toEqual(["a.js", "b.css"]);
    const coding = (header: string) => files?.readAsset("a.js", header).encoding;
    expect([
      coding("gzip, br"),
      coding("gzip"),
      coding("br;q=0, gzip;q=0.5"),
      coding(""),
      coding("zstd"),
    ]).toEqual(["br", "gzip", "gzip", undefined, undefined]);
    expect(files?.readAsset("b.css", "br").encoding).toBeUndefined();
  });
});
