import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { summariseLog } from "./log-summary.js";

const folder = mkdtempSync(join(tmpdir(), "log-summary-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("messages that differ only in ids and times are one", () => {
  const path = join(folder, "some.log");
  const slow = (ms: number) => ({ msg: "queue out of reach", err: { message: `took longer than ${ms} ms` } });
  const lines = [slow(1500), { msg: "isolation is reduced" }, slow(1477)].map((line) => JSON.stringify(line));
  writeFileSync(path, `${lines.join("\n")}\nFATAL ERROR: heap\n`);
  expect(summariseLog(path)).toEqual([
    { message: "queue out of reach: took longer than N ms", count: 2 },
    { message: "isolation is reduced", count: 1 },
    { message: "FATAL ERROR: heap", count: 1 },
  ]);
});

test("no file is an empty log", () => {
  expect(summariseLog(join(folder, "none.log"))).toEqual([]);
});
