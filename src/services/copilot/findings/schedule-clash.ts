import { nextDueTimes } from "../../../core/due-times.js";
import { timingOf } from "../../../models/schedule-model.js";
import type { Candidate } from "../candidate.js";
import type { GroundSchedule, WorkflowGround } from "../ground/workflow-ground.js";
import { type FindingRule, inWords } from "./finding-rule.js";

/** Due times of each schedule that are compared. */
const LOOK_AHEAD = 50;
const MINUTE_MS = 60_000;
/** From so many of other workflows on, a minute is crowded. */
const CROWD = 5;

/** Schedules that fire at once, or faster than a run lasts. */
export const scheduleClash: FindingRule = {
  kind: "schedule-clash",
  find(ground) {
    const { workflow, schedules } = ground;
    if (!workflow) return [];
    const from = new Date();
    const due = new Map(schedules.map((one) => [one, nextDueTimes(timingOf(one.row), from, LOOK_AHEAD)]));
    const own = schedules.filter((one) => one.row.workflowId === workflow.id);
    return [
      ...tooFast(ground, own, due),
      ...sameMinute(own, due),
      ...own.flatMap((schedule) => crowded(schedule, schedules, due)),
    ];
  },
};

type DueTimes = ReadonlyMap<GroundSchedule, readonly Date[]>;

/** The shortest time between two firings is less than what a run takes. */
function tooFast(ground: WorkflowGround, own: readonly GroundSchedule[], due: DueTimes): Candidate[] {
  const lasts = ground.history.durationMs?.p95;
  if (lasts === undefined || ground.definition["concurrency"] !== undefined) return [];
  return own.flatMap((schedule) => {
    const times = due.get(schedule) ?? [];
    const gaps = times.slice(1).map((time, at) => time.getTime() - (times[at]?.getTime() ?? 0));
    const gap = Math.min(...gaps);
    if (schedule.row.overlap !== "allow" || gaps.length === 0 || gap >= lasts) return [];
    return [
      {
        kind: scheduleClash.kind,
        title: `${schedule.row.name} fires every ${inWords(gap)}, but a run takes ${inWords(lasts)}`,
        detail:
          "Its overlap is allow, so runs pile up beside each other. With a concurrency of one they queue; " +
          "overlap: skip on the schedule leaves out what does not fit.",
        severity: "warning" as const,
        patch: [{ op: "add" as const, path: "/concurrency", value: { limit: 1, onConflict: "queue" } }],
        evidence: {
          runs: ground.history.runs,
          runIds: [...ground.history.runIds],
          ...(ground.history.durationMs && { durationMs: ground.history.durationMs }),
          counts: { shortestIntervalMs: gap },
        },
      },
    ];
  });
}

/** Two schedules of this workflow are due in the same minute. */
function sameMinute(own: readonly GroundSchedule[], due: DueTimes): Candidate[] {
  return own.flatMap((one, at) =>
    own.slice(at + 1).flatMap((other) => {
      const shared = sharedMinutes(due.get(one) ?? [], due.get(other) ?? []);
      const [first] = shared;
      if (first === undefined) return [];
      return [
        {
          kind: scheduleClash.kind,
          title: `${one.row.name} and ${other.row.name} start this workflow in the same minute`,
          detail: `Next at ${first.toISOString()}; ${shared.length} of the next ${LOOK_AHEAD} firings coincide. Move one of them.`,
          severity: "warning" as const,
          ...moveBy(other, 7),
          evidence: { counts: { coinciding: shared.length } },
        },
      ];
    }),
  );
}

/** Many workflows are due in the same minute as this one. */
function crowded(schedule: GroundSchedule, all: readonly GroundSchedule[], due: DueTimes): Candidate[] {
  const own = due.get(schedule) ?? [];
  const others = all.filter(
    (other) =>
      other.row.workflowId !== schedule.row.workflowId &&
      sharedMinutes(own, due.get(other) ?? []).length >= Math.min(own.length, 3),
  );
  if (others.length < CROWD) return [];
  const names = [...new Set(others.map((other) => other.workflowName))];
  return [
    {
      kind: scheduleClash.kind,
      title: `${schedule.row.name} fires together with ${others.length} schedules of other workflows`,
      detail: `In the same minute start ${names.slice(0, 10).join(", ")}. A few minutes later, the workers are free.`,
      severity: "info",
      ...moveBy(schedule, 7),
      evidence: { counts: { together: others.length + 1 } },
    },
  ];
}

function sharedMinutes(one: readonly Date[], other: readonly Date[]): Date[] {
  const minuteOf = (time: Date) => Math.floor(time.getTime() / MINUTE_MS);
  const minutes = new Set(other.map(minuteOf));
  return one.filter((time) => minutes.has(minuteOf(time)));
}

/** The call that moves a schedule by some minutes, where its expression names one minute. */
function moveBy({ row }: GroundSchedule, minutes: number): Pick<Candidate, "call"> {
  const fields = row.cron?.trim().split(/\s+/) ?? [];
  const at = fields.length === 6 ? 1 : 0;
  if (!/^\d{1,2}$/.test(fields[at] ?? "")) return {};
  const cron = fields
    .map((field, place) => (place === at ? String((Number(field) + minutes) % 60) : field))
    .join(" ");
  return { call: { method: "PATCH", path: `/api/v1/schedules/${row.id}`, body: { cron } } };
}
