import { describe, expect, it } from "@jest/globals";
import { LANE_WINDOW, LAST_RANK, placeInQueue, RUN_WINDOW, rankInQueue } from "./queue-order.js";

describe("the rank of a step among those that wait", () => {
  it("is none for the first steps of a lane, and grows with its depth", () => {
    expect(rankInQueue(0, 0)).toBe(0);
    expect(rankInQueue(LANE_WINDOW - 1, 0)).toBe(0);
    expect(rankInQueue(LANE_WINDOW, 0)).toBe(1);
    expect(rankInQueue(LANE_WINDOW + 15, 0)).toBe(1);
    expect(rankInQueue(LANE_WINDOW + 16, 0)).toBe(2);
    expect(rankInQueue(10_000, 0)).toBe(622);
  });

  it("grows within one run, whatever its lane", () => {
    expect(rankInQueue(0, RUN_WINDOW - 1)).toBe(0);
    expect(rankInQueue(0, RUN_WINDOW)).toBe(1);
    expect(rankInQueue(0, 4999)).toBe(312);
  });

  it("counts a run's first steps in its lane too", () => {
    expect(rankInQueue(LANE_WINDOW - 4, 3)).toBe(0);
    expect(rankInQueue(LANE_WINDOW - 4, 4)).toBe(1);
  });

  it("ends somewhere", () => {
    expect(rankInQueue(1e9, 0)).toBe(LAST_RANK);
    expect(rankInQueue(0, 1e9)).toBe(LAST_RANK);
  });

  it("never falls while steps are added", () => {
    for (let index = 1; index < 3000; index += 1) {
      expect(rankInQueue(0, index)).toBeGreaterThanOrEqual(rankInQueue(0, index - 1));
      expect(rankInQueue(index, 0)).toBeGreaterThanOrEqual(rankInQueue(index - 1, 0));
    }
  });
});

describe("the place of a step", () => {
  it("is plain for the usual, and the head for an urgent one", () => {
    expect(placeInQueue(0, 0)).toEqual({ kind: "plain" });
    expect(placeInQueue(1, 0)).toEqual({ kind: "head" });
  });

  it("is by priority first, then by rank", () => {
    const numbers = [
      [1000, 1],
      [10, LAST_RANK],
      [9, 1],
      [0, 1],
      [0, 2],
      [0, LAST_RANK],
      [-1, 0],
      [-1, 5],
      [-2, 0],
      [-1000, LAST_RANK],
    ].map(([priority = 0, rank = 0]) => {
      const place = placeInQueue(priority, rank);
      return place.kind === "numbered" ? place.number : undefined;
    });
    expect(numbers).not.toContain(undefined);
    expect(numbers).toEqual([...numbers].sort((one, other) => Number(one) - Number(other)));
    expect(new Set(numbers).size).toBe(numbers.length);
    // BullMQ takes 1 to 2^21 - 1
    expect(numbers.at(0)).toBeGreaterThanOrEqual(1);
    expect(numbers.at(-1)).toBeLessThan(2 ** 21);
  });

  it("keeps a priority beyond the range within it", () => {
    expect(placeInQueue(-1e9, 0)).toEqual(placeInQueue(-1000, 0));
    expect(placeInQueue(1e9, 3)).toEqual(placeInQueue(1000, 3));
    expect(placeInQueue(-0.5, 0)).toEqual(placeInQueue(-1, 0));
  });
});
