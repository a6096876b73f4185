import { describe, expect, it } from "@jest/globals";
import { findCronFault, newestDueTimes, nextDueTimes, type ScheduleTiming } from "./due-times.js";
import { isTimeZone } from "./wall-clock.js";

const berlin = (cron: string): ScheduleTiming => ({ cron, timezone: "Europe/Berlin" });
const next = (timing: ScheduleTiming, after: string, count: number) =>
  nextDueTimes(timing, new Date(after), count).map((time) => time.toISOString().slice(0, 16));

describe("cron expressions", () => {
  it.each([
    "* * * * *",
    "0 */5 * * * *",
    "0 9 * * mon-fri",
    "0 0 29 2 *",
    "0 0 L * *",
    "0 0 ? * 1#2",
    "30 4 1,15 * 5L",
  ])("takes %s", (cron) => expect(findCronFault(cron)).toBeUndefined());
  it.each([
    "",
    "* * * *",
    "60 * * * *",
    "@reboot",
    "@daily",
    "* * * * * * *",
    "*/0 * * * *",
    "0 0 31 2 *",
    "0 0 31 2,4 *",
    "H * * * *",
    "1-2-3 * * * *",
    "0 24 * * *",
    `${"0,".repeat(200)}1 * * * *`,
  ])("refuses %s", (cron) => expect(findCronFault(cron)).toEqual(expect.any(String)));

  it("knows time zones", () => {
    expect(["UTC", "Europe/Berlin", "America/New_York"].every(isTimeZone)).toBe(true);
    expect(["", "Mars/Base", "local", "system", "+02:00", "x".repeat(200)].some(isTimeZone)).toBe(false);
  });
});

describe("when the clock changes in Berlin", () => {
  it("02:30 is due once on the day without it: an hour later", () => {
    expect(next(berlin("30 2 * * *"), "2026-03-28T00:00:00Z", 3)).toEqual([
      "2026-03-28T01:30",
      "2026-03-29T01:30", // 03:30 in Berlin
      "2026-03-30T00:30",
    ]);
  });

  it("02:30 is due once on the day that has it twice: the first time", () => {
    const expected = ["2026-10-26T01:30", "2026-10-27T01:30"];
    expect(next(berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 3)).toEqual(["2026-10-25T00:30", ...expected]);
    // also for who looks between the two
    expect(next(berlin("30 2 * * *"), "2026-10-25T00:30:00Z", 2)).toEqual(expected);
    expect(next(berlin("30 2 * * *"), "2026-10-25T01:10:00Z", 2)).toEqual(expected);
  });

  it("every hour stays every hour", () => {
    expect(next(berlin("30 * * * *"), "2026-10-24T23:45:00Z", 3)).toEqual([
      "2026-10-25T00:30",
      "2026-10-25T01:30",
      "2026-10-25T02:30",
    ]);
    expect(next(berlin("30 * * * *"), "2026-03-29T00:00:00Z", 3)).toEqual([
      "2026-03-29T00:30",
      "2026-03-29T01:30",
      "2026-03-29T02:30",
    ]);
  });
});

describe("due times are the same from wherever one counts", () => {
  const cases: [string, string, string][] = [
    ["Europe/Berlin", "2026-03-28T20:00:00Z", "30 2 * * *"],
    ["Europe/Berlin", "2026-03-28T20:00:00Z", "*/20 1-3 * * *"],
    ["Europe/Berlin", "2026-10-24T20:00:00Z", "*/20 1-3 * * *"],
    ["Europe/Berlin", "2026-10-24T20:00:00Z", "15 * * * *"],
    ["America/New_York", "2026-11-01T00:00:00Z", "30 1 * * *"],
    ["Australia/Lord_Howe", "2026-04-04T10:00:00Z", "*/15 1,2 * * *"],
    ["Australia/Lord_Howe", "2026-10-03T10:00:00Z", "*/15 1,2 * * *"],
    ["America/Santiago", "2026-09-05T20:00:00Z", "0 0 * * *"],
  ];
  it.each(cases)("%s from %s: %s", (timezone, from, cron) => {
    const timing = { cron, timezone };
    const start = new Date(from);
    const end = new Date(start.getTime() + 20 * 3600_000);
    const whole = nextDueTimes(timing, start, 500).filter((time) => time <= end);
    expect(whole.length).toBeGreaterThan(0);
    expect(new Set(whole.map(Number)).size).toBe(whole.length);
    for (let at = start.getTime(); at < end.getTime(); at += 7 * 60_000) {
      const rest = whole.filter((time) => time.getTime() > at);
      expect(nextDueTimes(timing, new Date(at), rest.length)).toEqual(rest);
      const past = whole.filter((time) => time.getTime() <= at);
      expect(newestDueTimes(timing, start, new Date(at), 2).times).toEqual(past.slice(-2));
    }
  });
});

describe("spans", () => {
  const every: ScheduleTiming = { everySeconds: 60, anchorAt: new Date("2026-01-01T00:00:07Z") };

  it("keeps the grid of its anchor, before and after it", () => {
    expect(next(every, "2026-01-01T00:00:07Z", 2)).toEqual(["2026-01-01T00:01", "2026-01-01T00:02"]);
    const before = newestDueTimes(
      every,
      new Date("2025-12-31T23:57:00Z"),
      new Date("2025-12-31T23:59:10Z"),
      9,
    );
    expect(before.times.map((time) => time.toISOString())).toEqual([
      "2025-12-31T23:57:07.000Z",
      "2025-12-31T23:58:07.000Z",
      "2025-12-31T23:59:07.000Z",
    ]);
  });

  it.each([["cron", { cron: "* * * * *", timezone: "UTC" }] as const, ["interval", every] as const])(
    "takes the newest of a long span: %s",
    (_name, timing) => {
      const until = new Date("2026-06-01T00:00:30Z");
      const { times, hasMore } = newestDueTimes(timing, new Date("2020-01-01T00:00:00Z"), until, 1000);
      expect(times).toHaveLength(1000);
      expect(hasMore).toBe(true);
      expect(until.getTime() - (times.at(-1)?.getTime() ?? 0)).toBeLessThan(60_000);
      expect((times.at(-1)?.getTime() ?? 0) - (times[0]?.getTime() ?? 0)).toBe(999 * 60_000);
      const few = newestDueTimes(timing, new Date("2026-05-31T23:57:20Z"), until, 1000);
      expect(few).toMatchObject({ hasMore: false });
      expect(few.times).toHaveLength(3);
      expect(newestDueTimes(timing, until, until, 5)).toEqual({ times: [], hasMore: false });
    },
  );

  it("does not walk years second by second", () => {
    const startedAt = performance.now();
    const mondays = { cron: "* * * * * 1", timezone: "UTC" };
    const { times } = newestDueTimes(mondays, new Date("2020-01-01"), new Date("2026-06-07T23:00:00Z"), 3);
    expect(times.at(-1)?.toISOString()).toBe("2026-06-01T23:59:59.000Z");
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});
