import { describe, expect, it } from "@jest/globals";
import type { StepRun } from "../../../../src/contracts/api/runs.js";
import { isSame, pairSteps } from "./compare-runs.js";
import { suggestStep } from "./chosen-step.js";
import { timelineTicks, toBars, toTimelineRows } from "./timeline-rows.js";

const step = (stepId: string, more: object = {}): StepRun =>
  ({
    ...{ id: stepId, stepId, status: "succeeded", attempt: 1, inputs: {}, output: {}, attempts: [] },
    ...{ queuedAt: null, startedAt: null, finishedAt: null, ...more },
  }) as unknown as StepRun;

describe("pairSteps", () => {
  it("sets steps side by side by id and item, and says what differs", () => {
    const pairs = pairSteps(
      [step("a"), step("b", { output: { x: 1, y: 2 } }), step("c", { itemIndex: 1 })],
      [step("b", { output: { y: 2, x: 1 }, status: "failed" }), step("c", { itemIndex: 2 }), step("a")],
    );
    expect(pairs.map(({ name, differs }) => [name, differs])).toEqual([
      ["a", []],
      ["b", ["status"]],
      ["c [1]", ["presence"]],
      ["c [2]", ["presence"]],
    ]);
  });

  it("compares JSON by what it says", () => {
    expect(isSame({ a: [1, { b: null }], c: "" }, { c: "", a: [1, { b: null }] })).toBe(true);
    expect(isSame([1, 2], [2, 1])).toBe(false);
    expect(isSame({ a: undefined }, {})).toBe(false);
    expect(isSame([], {})).toBe(false);
  });
});

describe("suggestStep", () => {
  it("takes what failed before what waits, and an item before the step that stands for it", () => {
    const steps = [
      step("w", { status: "waiting" }),
      step("f", { status: "failed" }),
      step("f", { status: "failed", itemIndex: 3 }),
    ];
    expect(suggestStep(steps)).toMatchObject({ stepId: "f", itemIndex: 3 });
    expect(suggestStep([step("a")])).toBeUndefined();
  });
});

describe("the timeline", () => {
  const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;

  it("shows waiting and running of each attempt", () => {
    const bars = toBars(
      step("a", {
        ...{ attempt: 2, status: "running", queuedAt: at(3), startedAt: at(5) },
        attempts: [
          { attempt: 1, status: "failed", queuedAt: at(0), startedAt: at(1), finishedAt: at(2) },
          { attempt: 2, status: "running", queuedAt: at(3), startedAt: at(5), finishedAt: null },
        ],
      }),
    );
    expect(bars.map(({ kind, attempt, to }) => [kind, attempt, to === undefined])).toEqual([
      ["queued", 1, false],
      ["ran", 1, false],
      ["queued", 2, false],
      ["ran", 2, true],
    ]);
  });

  it("hides items until their step is opened", () => {
    const steps = [step("a"), step("b"), step("b", { itemIndex: 0 }), step("b", { itemIndex: 1 })];
    expect(toTimelineRows(steps, new Set()).map(({ step: { stepId }, items }) => [stepId, items])).toEqual([
      ["a", 0],
      ["b", 2],
    ]);
    expect(toTimelineRows(steps, new Set(["b"]))).toHaveLength(4);
  });

  it("has few round ticks for any span", () => {
    for (const span of [3, 950, 61_000, 7_300_000, 40 * 86_400_000]) {
      const ticks = timelineTicks(span, 7);
      expect(ticks.length).toBeLessThanOrEqual(8);
      expect(ticks.length).toBeGreaterThan(1);
    }
  });
});
