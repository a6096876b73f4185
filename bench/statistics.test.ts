import { describe, expect, test } from "@jest/globals";
import { median, pairedDifference, pairedRatio, percentile, summarise } from "./statistics.js";

describe("median", () => {
  test("is the middle of an odd count, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });
  test("is the mean of the two middle values of an even count", () => {
    expect(median([10, 1, 2, 4])).toBe(3);
  });
  test("sorts by value, not by text", () => {
    expect(median([100, 9, 20])).toBe(20);
  });
  test("has no value without values", () => {
    expect(median([])).toBeNaN();
  });
  test("leaves its input as it was", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("percentile", () => {
  const oneToHundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  test("takes the nearest rank", () => {
    expect(percentile(oneToHundred, 50)).toBe(50);
    expect(percentile(oneToHundred, 95)).toBe(95);
    expect(percentile(oneToHundred, 99)).toBe(99);
    expect(percentile(oneToHundred, 100)).toBe(100);
  });
  test("of few samples is one of them", () => {
    expect(percentile([7], 99)).toBe(7);
    expect(percentile([1, 2, 3], 0)).toBe(1);
    expect(percentile([1, 2, 3], 99)).toBe(3);
  });
});

test("a summary holds the percentiles and how many samples they come from", () => {
  expect(summarise([4, 2, 8, 6])).toEqual({ p50: 4, p95: 8, p99: 8, count: 4 });
});

describe("paired figures", () => {
  // the machine was twice as slow in the second round: the pairs agree, the medians would not
  const ours = [80, 40, 82];
  const theirs = [100, 50, 200];
  test("compare within each round", () => {
    expect(pairedRatio(ours, theirs)).toBeCloseTo(0.8);
    expect(median(ours) / median(theirs)).toBeCloseTo(0.8);
    expect(pairedRatio([10, 90, 30], [20, 100, 10])).toBeCloseTo(0.9);
  });
  test("differ within each round", () => {
    expect(pairedDifference([5, 9, 4], [2, 1, 3])).toBe(3);
  });
  test("refuse rounds that have no partner", () => {
    expect(() => pairedRatio([1], [1, 2])).toThrow("1 rounds cannot be paired with 2");
  });
});
