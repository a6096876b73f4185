import { describe, expect, it } from "@jest/globals";
import { durationTicks, timeTicks, valueTicks } from "../components/chart-scale.js";
import { defaultsOf, faultsUnder, kindOf, parseNumber } from "../components/schema-form-model.js";
import { boundsOf } from "../pages/home/spans.js";
import { NO_FILTERS, toRunQuery } from "../pages/runs/run-filters.js";
import { formatDuration } from "./duration.js";
import { formatBytes, formatCount, formatShare } from "./numbers.js";
import { formatAgo } from "./time.js";

describe("words for figures", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [9_960, "9.9 s"],
    [59_999, "59 s"],
    [185_000, "3 m 05 s"],
    [7_800_000, "2 h 10 m"],
    [273_600_000, "3 d 4 h"],
    [-5, "0 ms"],
  ])("a span of %d ms is %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  it("rounds no share up to what it is not", () => {
    expect([formatShare(1), formatShare(0.99999), formatShare(0.5)]).toEqual(["100 %", "99.9 %", "50 %"]);
  });

  it("writes sizes and counts", () => {
    expect([formatBytes(0), formatBytes(1434), formatBytes(12 * 1024 * 1024)]).toEqual([
      "0 B",
      "1.4 KB",
      "12 MB",
    ]);
    expect([formatCount(1234), formatCount(2_500_000)]).toEqual(["1,234", "2.5 M"]);
  });

  it("says how long ago, and how soon", () => {
    const now = Date.parse("2026-01-01T00:10:00Z");
    expect(formatAgo("2026-01-01T00:09:58Z", now)).toBe("now");
    expect(formatAgo("2026-01-01T00:05:00Z", now)).toBe("5 m ago");
    expect(formatAgo("2026-01-01T02:10:00Z", now)).toBe("in 2 h");
  });
});

describe("charts", () => {
  it("have round ticks up to the largest value", () => {
    expect(valueTicks(0)).toEqual([0, 1]);
    expect(valueTicks(2, true)).toEqual([0, 1, 2]);
    for (const largest of [0.3, 1, 7, 99, 1234, 5e6])
      expect(valueTicks(largest).at(-1)).toBeGreaterThanOrEqual(largest);
    expect(durationTicks(150_000)).toEqual([0, 60_000, 120_000, 180_000]);
  });

  it("write a time under a few points", () => {
    const points = Array.from({ length: 48 }, (_, at) => ({ at, value: 0 }));
    expect(timeTicks(points, 6).length).toBeLessThanOrEqual(6);
    expect(timeTicks([], 6)).toEqual([]);
  });

  it("look back over whole buckets up to one that is not full", () => {
    const { from, to } = boundsOf("1h", Date.parse("2026-01-01T10:20:30Z"));
    expect([from, to]).toEqual(["2026-01-01T09:21:00.000Z", "2026-01-01T10:21:00.000Z"]);
  });
});

describe("filters of runs", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  it("ask the API for what is meant, and for nothing that it does not know", () => {
    expect(toRunQuery(NO_FILTERS, now)).toEqual({});
    const filters = {
      ...NO_FILTERS,
      status: "failed",
      label: "env:prod half a:b:c",
      since: "24h",
      trigger: "nonsense",
    };
    expect(toRunQuery(filters, now)).toEqual({
      status: "failed",
      label: ["env:prod", "a:b:c"],
      createdAfter: "2026-01-01T00:00:00.000Z",
    });
    expect(toRunQuery({ ...NO_FILTERS, status: "evil", since: "custom", from: "not a date" }, now)).toEqual(
      {},
    );
  });
});

describe("forms of a JSON Schema", () => {
  it("choose a control, and JSON for what none fits", () => {
    expect(kindOf({ type: "string" })).toBe("text");
    expect(kindOf({ enum: [1, 2] })).toBe("choice");
    expect(kindOf({ type: "array" })).toBe("json");
    expect(kindOf({ type: "object" })).toBe("json");
    expect(kindOf({ type: "object", properties: { a: {} } })).toBe("object");
  });

  it("start with the schema's defaults alone", () => {
    const schema = {
      properties: { a: { default: 1 }, b: {}, c: { type: "object", properties: { d: { default: false } } } },
    };
    expect(defaultsOf(schema)).toEqual({ a: 1, c: { d: false } });
  });

  it("tell a number from none", () => {
    expect([parseNumber(" 4.5 "), parseNumber(""), parseNumber("4,5x")]).toEqual([4.5, undefined, "none"]);
  });

  it("show the faults of their own part of a request", () => {
    const faults = [
      { path: "/input/day", message: "must be a date" },
      { path: "/inputs", message: "other" },
    ];
    expect(faultsUnder(faults, "/input")).toEqual({ "/day": "must be a date" });
  });
});
