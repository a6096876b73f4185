import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { buildPlan, type StepDraft } from "../../test/support/build-plan.js";
import type { RunAfter } from "./plan.js";
import { outcomeOf, settle } from "./settle.js";
import { STATE, type StateLetter, StepStates } from "./step-states.js";

const diamond = buildPlan([
  { id: "a" },
  { id: "b", after: ["a"] },
  { id: "c", after: ["a"] },
  { id: "d", after: ["b", "c"] },
]);

function end(states: StepStates, plan: typeof diamond, index: number, letter: StateLetter) {
  states.set(index, letter);
  return settle(plan, states, [index]);
}

describe("settle", () => {
  it("starts with the steps that depend on nothing", () => {
    const states = StepStates.allPending(4);
    expect(settle(diamond, states).ready).toEqual([0]);
    expect(states.toString()).toBe("qppp");
  });

  it("makes the join of a diamond ready once, after both branches", () => {
    const states = new StepStates("sqqp");
    expect(end(states, diamond, 1, STATE.succeeded).ready).toEqual([]);
    expect(end(states, diamond, 2, STATE.succeeded).ready).toEqual([3]);
    expect(settle(diamond, states, [1, 2]).ready).toEqual([]);
  });

  it("blocks what comes after a failure, and tells it from a condition's skip", () => {
    const failed = new StepStates("sqsp");
    expect(end(failed, diamond, 1, STATE.failed).skipped).toEqual([{ index: 3, letter: STATE.blocked }]);
    const skipped = new StepStates("sqsp");
    expect(end(skipped, diamond, 1, STATE.skipped).skipped).toEqual([{ index: 3, letter: STATE.skipped }]);
  });

  it("goes on after a tolerated failure", () => {
    const states = new StepStates("sqsp");
    expect(end(states, diamond, 1, STATE.tolerated).ready).toEqual([3]);
  });

  it.each<[RunAfter, StateLetter, boolean]>([
    ["allSucceeded", STATE.succeeded, true],
    ["allSucceeded", STATE.failed, false],
    ["allDone", STATE.failed, true],
    ["allDone", STATE.skipped, true],
    ["anyFailed", STATE.failed, true],
    ["anyFailed", STATE.tolerated, true],
    ["anyFailed", STATE.blocked, true],
    ["anyFailed", STATE.succeeded, false],
    ["anyFailed", STATE.skipped, false],
  ])("runAfter %s after a dependency ended as %s: starts %s", (runAfter, letter, isReady) => {
    const plan = buildPlan([{ id: "a" }, { id: "b", after: ["a"], runAfter }]);
    const states = new StepStates("qp");
    expect(end(states, plan, 0, letter).ready).toEqual(isReady ? [1] : []);
  });

  it("cascades skips through a whole branch", () => {
    const plan = buildPlan([
      { id: "a" },
      { id: "b", after: ["a"] },
      { id: "c", after: ["b"] },
      { id: "z", after: ["c"], runAfter: "allDone" },
    ]);
    const states = new StepStates("qppp");
    const { ready, skipped } = end(states, plan, 0, STATE.failed);
    expect(skipped.map(({ index }) => index)).toEqual([1, 2]);
    expect(ready).toEqual([3]);
  });

  it("runs any graph to its end: each step judged once, none before its dependencies", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.nat(),
            fc.constantFrom<RunAfter>("allSucceeded", "allDone", "anyFailed"),
            fc.boolean(),
          ),
          { minLength: 1, maxLength: 40 },
        ),
        fc.infiniteStream(fc.nat()),
        (shape, choices) => {
          const drafts = shape.map(([one, other, runAfter, isRoot], index): StepDraft => {
            const after =
              isRoot || index === 0 ? [] : [...new Set([one % index, other % index])].map((i) => `s${i}`);
            return { id: `s${index}`, after, runAfter };
          });
          const plan = buildPlan(drafts);
          const states = StepStates.allPending(drafts.length);
          const started = new Set<number>();
          let open = settle(plan, states).ready;
          while (open.length > 0) {
            const at = choices.next().value % open.length;
            const index = open[at] as number;
            expect(started.has(index)).toBe(false);
            started.add(index);
            for (const dependency of plan.steps[index]?.dependencies ?? [])
              expect(states.isEnded(dependency)).toBe(true);
            open = open.filter((other) => other !== index);
            open.push(
              ...end(states, plan, index, choices.next().value % 3 === 0 ? STATE.failed : STATE.succeeded)
                .ready,
            );
          }
          expect(states.areAllEnded()).toBe(true);
          expect(outcomeOf(states)).toBe(states.some(STATE.failed) ? "failed" : "succeeded");
        },
      ),
      { numRuns: 300 },
    );
  });
});
