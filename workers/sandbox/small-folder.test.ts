import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { giveAwaySmall, removeSmall } from "./small-folder.js";

let outside: string;
let folder: string;

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "headrace-small-"));
  folder = join(outside, "work");
  mkdirSync(join(folder, "artifacts/deep"), { recursive: true });
  writeFileSync(join(folder, "artifacts/deep/file"), "x");
});

afterEach(() => rmSync(outside, { recursive: true, force: true }));

describe("small folders", () => {
  it("are removed with all they hold; links go, and what they name stays", () => {
    const kept = join(outside, "kept");
    mkdirSync(kept);
    writeFileSync(join(kept, "file"), "x");
    symlinkSync(kept, join(folder, "link"));
    expect(removeSmall(folder)).toBe(true);
    expect(existsSync(folder)).toBe(false);
    expect(existsSync(join(kept, "file"))).toBe(true);
  });

  it("are left alone when they hold many entries, or a large file", () => {
    const large = join(folder, "large");
    writeFileSync(large, "");
    truncateSync(large, 2 * 1024 * 1024);
    expect(removeSmall(folder)).toBe(false);
    rmSync(large);
    for (let number = 0; number < 40; number += 1) writeFileSync(join(folder, `file-${number}`), "");
    expect(removeSmall(folder)).toBe(false);
    expect(existsSync(join(folder, "artifacts/deep/file"))).toBe(true);
  });

  it("that are gone, or closed, are left to others", () => {
    expect(removeSmall(join(outside, "nothing"))).toBe(false);
    if (process.getuid?.() === 0) return;
    chmodSync(folder, 0);
    expect(removeSmall(folder)).toBe(false);
    chmodSync(folder, 0o700);
  });

  it("are given away but for files that have a second name", () => {
    if (process.getuid?.() !== 0) return;
    const secret = join(outside, "secret");
    writeFileSync(secret, "x");
    linkSync(secret, join(folder, "second-name"));
    symlinkSync(secret, join(folder, "link"));
    expect(giveAwaySmall(folder, 61_000)).toBe(true);
    expect(statSync(secret).uid).toBe(0);
    for (const path of ["", "artifacts", "artifacts/deep", "artifacts/deep/file"])
      expect(statSync(join(folder, path)).uid).toBe(61_000);
  });
});
