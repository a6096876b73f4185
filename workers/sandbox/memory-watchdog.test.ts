import { describe, expect, it } from "@jest/globals";
import { measureTree, type ProcessReader } from "./memory-watchdog.js";
import type { ProcessEntry } from "./process-table.js";

const MB = 1024 * 1024;

function member(pid: number): ProcessEntry {
  return {
    ...{ pid, state: "S", parentPid: 1, groupId: 1, sessionId: 1, startTicks: 7 },
    residentBytes: 100 * MB,
  };
}

function reading(proportional: Record<number, number>, now: Record<number, string>): ProcessReader {
  return {
    findProportionalBytes: (pid) => proportional[pid],
    findProcess: (pid) => (now[pid] === undefined ? undefined : { startTicks: 7, state: now[pid] }),
  };
}

describe("the memory of a tree", () => {
  it("is what it has resident, as long as that is within the limit", () => {
    expect(measureTree([member(1), member(2)], 250 * MB, reading({}, {}))).toBe(200 * MB);
  });

  it("counts shared pages once above it", () => {
    const shared = reading({ 1: 40 * MB, 2: 30 * MB, 3: 30 * MB }, {});
    expect(measureTree([member(1), member(2), member(3)], 250 * MB, shared)).toBe(100 * MB);
  });

  it("counts nothing for processes that have ended since they were listed, and all of one that hides", () => {
    const members = [1, 2, 3, 4, 5].map(member);
    const read = reading({ 1: 100 * MB }, { 1: "S", 3: "Z", 4: "S" });
    expect(measureTree(members, 250 * MB, read)).toBe(200 * MB);
    const reused = { ...read, findProcess: () => ({ startTicks: 8, state: "S" }) };
    expect(measureTree(members, 250 * MB, reused)).toBe(100 * MB);
  });
});
