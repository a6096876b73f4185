import { describe, expect, it } from "@jest/globals";
import { type AdmissionWorld, type HeldLine, type HeldRun, judgeAdmission } from "./admission.js";
import type { ConcurrencyRule } from "./plan.js";

const rule = (limit: number, onConflict: ConcurrencyRule["onConflict"] = "queue") => ({ limit, onConflict });

function line(keys: [string, string], ids: string[], more: Partial<HeldRun & HeldLine> = {}): HeldLine {
  const { lastAdmittedMs = null, isCut = false, ...run } = more;
  const runs = ids.map((id) => ({ id, versionId: "v", priority: 0, ...run }));
  return { concurrencyKey: keys[0], rateKey: keys[1], lastAdmittedMs, isCut, runs };
}

function judge(lines: HeldLine[], world: Partial<AdmissionWorld> = {}) {
  return judgeAdmission({ lines, slots: new Map(), windows: [], ...world });
}

const slots = (taken: number, holders: string[] = [], active = holders.length) =>
  new Map([["k", { taken, active, holders: holders.map((id) => ({ id, versionId: "v" })) }]]);
const admitted = (judgement: ReturnType<typeof judge>) =>
  judgement.verdicts.filter((verdict) => verdict.kind === "admit").map((verdict) => verdict.runId);

describe("judgeAdmission", () => {
  it("admits as many as there are free slots, in order, and lets the rest wait", () => {
    const held = [line(["k", ""], ["1", "2", "3"], { concurrency: rule(3) })];
    expect(judge(held, { slots: slots(1, ["a"]) })).toEqual({
      verdicts: [
        { runId: "1", kind: "admit" },
        { runId: "2", kind: "admit" },
      ],
      stopped: [],
      isUnfinished: false,
    });
  });

  it("takes turns between keys that share a limit, the longest unserved first, and the urgent before all", () => {
    const concurrency = rule(4);
    const lines = [
      line(["k", "a"], ["1", "2", "3"], { concurrency, lastAdmittedMs: 50 }),
      line(["k", "b"], ["4", "5"], { concurrency, lastAdmittedMs: 10 }),
      line(["k", "c"], ["6"], { concurrency }),
    ];
    expect(admitted(judge(lines))).toEqual(["6", "4", "1", "5"]);
    const urgent = [...lines, line(["k", "d"], ["7"], { concurrency, priority: 1, lastAdmittedMs: 99 })];
    expect(admitted(judge(urgent))[0]).toBe("7");
  });

  it("lets a full rate window stop its own key only, and says when it is free", () => {
    const rateLimit = { limit: 2, seconds: 10 };
    const concurrency = rule(10);
    const lines = [
      line(["k", "full"], ["1"], { concurrency, rateLimit, priority: 5 }),
      line(["k", "half"], ["2", "3"], { concurrency, rateLimit }),
    ];
    const windows = [
      { rateKey: "full", ...rateLimit, used: 2, freeInMs: 700 },
      { rateKey: "half", ...rateLimit, used: 1, freeInMs: 900 },
    ];
    const judgement = judge(lines, { windows });
    expect(admitted(judgement)).toEqual(["2"]);
    // the window that was filled just now has its own time: another look reads it
    expect(judgement).toMatchObject({ nextInMs: 700, isUnfinished: true });
  });

  it("refuses runs that are to be skipped, and names who holds the slots", () => {
    const held = [line(["k", ""], ["1", "2"], { concurrency: rule(1, "skip") })];
    expect(judge(held).verdicts).toEqual([
      { runId: "1", kind: "admit" },
      { runId: "2", kind: "cancel", reason: 'The run was skipped: concurrency key "k" is held by run 1' },
    ]);
    const [refusal] = judge(held, { slots: slots(2, ["a", "b"]) }).verdicts;
    expect(refusal).toMatchObject({ kind: "cancel", reason: expect.stringContaining("by run a and 1 more") });
  });

  describe("with cancelRunning", () => {
    const concurrency = rule(2, "cancelRunning");

    it("stops the oldest holders, and as many as are needed", () => {
      const judgement = judge([line(["k", ""], ["3"], { concurrency })], { slots: slots(2, ["1", "2"]) });
      expect(judgement).toMatchObject({ verdicts: [], stopped: [{ id: "1" }] });
    });

    it("stops nobody more while one that was stopped is still ending", () => {
      const judgement = judge([line(["k", ""], ["3"], { concurrency })], { slots: slots(2, ["2"]) });
      expect(judgement).toMatchObject({ verdicts: [], stopped: [] });
    });

    it("keeps the newest of many", () => {
      const many = line(["k", ""], ["3", "4", "5", "6"], { concurrency });
      const ending = judge([many], { slots: slots(2, ["1", "2"]) });
      expect(ending.stopped.map(({ id }) => id)).toEqual(["1", "2"]);
      expect(ending.verdicts.map(({ runId, kind }) => [runId, kind])).toEqual([
        ["3", "cancel"],
        ["4", "cancel"],
      ]);
      const free = judge([many]);
      expect(admitted(free)).toEqual(["5", "6"]);
      expect(free.verdicts.filter(({ kind }) => kind === "cancel").map(({ runId }) => runId)).toEqual([
        "3",
        "4",
      ]);
    });
  });

  it("asks for another look when a line was cut", () => {
    expect(judge([line(["", ""], ["1"], { isCut: true })]).isUnfinished).toBe(true);
    expect(
      judge([line(["k", ""], ["1"], { isCut: true, concurrency: rule(1) })], { slots: slots(1) }),
    ).toMatchObject({
      verdicts: [],
      isUnfinished: false,
    });
  });
});
