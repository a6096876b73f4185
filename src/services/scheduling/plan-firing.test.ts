import { describe, expect, it } from "@jest/globals";
import type { CatchUp } from "../../contracts/api/schedules.js";
import { planFiring } from "./plan-firing.js";

const at = (text: string) => new Date(`2026-11-24T${text}Z`);
const minutely = { cron: "* * * * *", timezone: "UTC" };

function plan(catchUp: CatchUp, nextDueAt: string, now: string) {
  const found = planFiring({ timing: minutely, nextDueAt: at(nextDueAt), catchUp }, at(now));
  const shown = (time: Date | null | undefined) => time?.toISOString().slice(11, 16);
  return {
    due: found.dueTimes.map((time) => shown(time)),
    missed: shown(found.missedAt),
    next: shown(found.nextDueAt),
  };
}

describe("what to fire", () => {
  it.each(["none", "latest", "all"] as const)("fires on time, whatever catchUp says: %s", (catchUp) => {
    expect(plan(catchUp, "10:01:00", "10:00:30")).toEqual({ due: [], missed: undefined, next: "10:01" });
    expect(plan(catchUp, "10:01:00", "10:01:29")).toEqual({
      due: ["10:01"],
      missed: undefined,
      next: "10:02",
    });
  });

  it("takes what is late by less than half a minute for on time", () => {
    const seconds = { cron: "* * * * * *", timezone: "UTC" };
    const found = planFiring(
      { timing: seconds, nextDueAt: at("10:00:00"), catchUp: "none" },
      at("10:00:20.5"),
    );
    expect(found.dueTimes).toHaveLength(21);
    expect(found.nextDueAt).toEqual(at("10:00:21"));
  });

  it("after ten minutes without a scheduler: none, the latest, or all ten", () => {
    expect(plan("none", "10:01:00", "10:10:59")).toEqual({ due: [], missed: "10:10", next: "10:11" });
    expect(plan("latest", "10:01:00", "10:10:59")).toEqual({
      due: ["10:10"],
      missed: "10:09",
      next: "10:11",
    });
    const all = plan("all", "10:01:00", "10:10:59");
    expect(all.due).toEqual(Array.from({ length: 10 }, (_, n) => `10:${String(n + 1).padStart(2, "0")}`));
    expect(all).toMatchObject({ missed: undefined, next: "10:11" });
  });

  it("with only one missed: none, or that one", () => {
    expect(plan("none", "10:01:00", "10:01:45")).toEqual({ due: [], missed: "10:01", next: "10:02" });
    expect(plan("latest", "10:01:00", "10:01:45")).toEqual({
      due: ["10:01"],
      missed: undefined,
      next: "10:02",
    });
  });

  it("catches up on the newest thousand at most", () => {
    const found = planFiring(
      { timing: minutely, nextDueAt: new Date("2026-11-01T00:00:00Z"), catchUp: "all" },
      at("10:00:30"),
    );
    expect(found.dueTimes).toHaveLength(1000);
    expect(found.dueTimes.at(-1)).toEqual(at("10:00:00"));
    expect(found.missedAt).toEqual(new Date("2026-11-01T00:00:00Z"));
  });

  it("fires a stored due time that the timing no longer has", () => {
    const found = planFiring(
      { timing: minutely, nextDueAt: at("10:00:17"), catchUp: "none" },
      at("10:00:20"),
    );
    expect(found).toEqual({ dueTimes: [at("10:00:17")], nextDueAt: at("10:01:00") });
  });
});
