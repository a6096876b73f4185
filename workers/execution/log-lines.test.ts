import { expect, it } from "@jest/globals";
import { createLogLines } from "./log-lines.js";

it("gives lines back one by one, in order, with their streams and times, and is empty then", () => {
  const lines = createLogLines();
  expect(lines.isEmpty).toBe(true);
  const from = Date.now();
  lines.add("stdout", "one");
  lines.add("stdout", "");
  lines.add("stdout", "three\nfour");
  lines.add("stderr", "");
  lines.add("stdout", "last");
  const data = lines.take();
  const until = Date.now();
  expect(lines.isEmpty).toBe(true);
  lines.add("stdout", "of the next event");
  const read = JSON.parse(JSON.stringify(data)) as {
    lines: { at: string; stream: string; message: string }[];
  };
  expect(read.lines.map(({ stream, message }) => [stream, message])).toEqual([
    ["stdout", "one"],
    ["stdout", ""],
    ["stdout", "three\nfour"],
    ["stderr", ""],
    ["stdout", "last"],
  ]);
  for (const { at } of read.lines) {
    expect(Date.parse(at)).toBeGreaterThanOrEqual(from);
    expect(Date.parse(at)).toBeLessThanOrEqual(until);
  }
  expect(data["lines"]).toEqual(read.lines);
});
