import { CronExpressionParser, type CronFieldCollection } from "cron-parser";
import { createWallClock } from "./wall-clock.js";

/** When a schedule is due: by a cron expression in a time zone, or every so many seconds from an anchor on. */
export type ScheduleTiming =
  | { readonly cron: string; readonly timezone: string }
  | { readonly everySeconds: number; readonly anchorAt: Date };

/** The newest due times of a span, oldest first. */
export interface DueTimes {
  readonly times: readonly Date[];
  /** Whether the span holds older ones that were left out. */
  readonly hasMore: boolean;
}

/** One item of a cron field: `*`, `5`, `mon-fri`, `0-30/5`, `L`, `5L`, `2#1`. */
const CRON_ITEM =
  /^(?:(?:[*?L]|(?:\d{1,2}|[a-z]{3})(?:-(?:\d{1,2}|[a-z]{3}))?)(?:\/\d{1,2})?|(?:\d|[a-z]{3})(?:L|#\d))$/i;
const LONGEST_CRON = 255;
const DAYS_OF_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Why a text is no cron expression of 5 fields, or 6 with seconds first; undefined when it is one and is due at
 * all. Nicknames (`@daily`) and random values (`H`) are not taken: a due time must be the same on every look.
 */
export function findCronFault(text: string): string | undefined {
  const fields = splitFields(text);
  if (text.length > LONGEST_CRON || (fields.length !== 5 && fields.length !== 6))
    return "must be a cron expression of 5 fields, or of 6 with seconds first";
  const odd = fields.find((field) => !field.split(",").every((item) => CRON_ITEM.test(item)));
  if (odd !== undefined) return `holds "${odd}", which is no field of a cron expression`;
  try {
    const expression = CronExpressionParser.parse(text, { tz: "UTC" });
    if (isNeverDue(expression.fields)) return "is never due: no such month has such a day";
    expression.next();
    return undefined;
  } catch (error) {
    return `is not valid or is never due: ${(error as Error).message}`;
  }
}

/** Known without the parser's search, which takes it a quarter of a second to give up. */
function isNeverDue({ dayOfMonth, dayOfWeek, month }: CronFieldCollection): boolean {
  if (dayOfMonth.isWildcard || dayOfMonth.hasLastChar || !dayOfWeek.isWildcard) return false;
  const firstDay = Math.min(...dayOfMonth.values.map(Number));
  return month.values.every((one) => (DAYS_OF_MONTH[one - 1] ?? 31) < firstDay);
}

/** The first `count` due times after a moment; fewer when there are no more. */
export function nextDueTimes(timing: ScheduleTiming, after: Date, count: number): Date[] {
  const times: Date[] = [];
  if (count <= 0) return times;
  for (const time of dueTimesAfter(timing, after)) {
    times.push(time);
    if (times.length >= count) break;
  }
  return times;
}

/** The newest `most` due times later than `after` and not later than `until`, oldest first. */
export function newestDueTimes(timing: ScheduleTiming, after: Date, until: Date, most: number): DueTimes {
  if (!("cron" in timing)) return newestIntervals(timing, after, until, most);
  for (let wanted = most + 1; ; wanted *= 2) {
    const start = lookBack(timing, after, until, wanted);
    const times: Date[] = [];
    for (const time of cronTimesAfter(timing, start)) {
      if (time > until) break;
      times.push(time);
    }
    if (times.length > most || start <= after)
      return { times: times.slice(-most), hasMore: times.length > most || start > after };
  }
}

function newestIntervals(
  { everySeconds, anchorAt }: Extract<ScheduleTiming, { everySeconds: number }>,
  after: Date,
  until: Date,
  most: number,
): DueTimes {
  const stepMs = everySeconds * 1000;
  const firstStep = Math.floor((after.getTime() - anchorAt.getTime()) / stepMs) + 1;
  const lastStep = Math.floor((until.getTime() - anchorAt.getTime()) / stepMs);
  const count = Math.max(0, lastStep - firstStep + 1);
  const shown = Math.min(count, most);
  const times = Array.from(
    { length: shown },
    (_, index) => new Date(anchorAt.getTime() + (lastStep - shown + 1 + index) * stepMs),
  );
  return { times, hasMore: count > most };
}

function dueTimesAfter(timing: ScheduleTiming, after: Date): Iterable<Date> {
  return "cron" in timing ? cronTimesAfter(timing, after) : intervalsAfter(timing, after);
}

function* intervalsAfter(
  { everySeconds, anchorAt }: Extract<ScheduleTiming, { everySeconds: number }>,
  after: Date,
): Generator<Date> {
  const stepMs = everySeconds * 1000;
  const elapsed = Math.floor((after.getTime() - anchorAt.getTime()) / stepMs);
  for (let step = elapsed + 1; ; step += 1) yield new Date(anchorAt.getTime() + step * stepMs);
}

type CronTiming = Extract<ScheduleTiming, { cron: string }>;

/**
 * Due times by a cron expression, always the same ones wherever one starts to count. What falls into an hour that
 * the clock skips is due so much later; what falls into an hour that comes twice is due once, the first time. An
 * expression that means every hour is due whenever the clock shows it. The parser only counts readings of the clock:
 * by itself, it loses what is due at a midnight that a zone skips, and counts an hour twice that comes twice.
 */
function* cronTimesAfter({ cron, timezone }: CronTiming, after: Date): Generator<Date> {
  const clock = createWallClock(timezone);
  const isHourly = meansEveryHour(cron);
  let last = after.getTime();
  const isNew = (atMs: number): boolean => {
    if (atMs <= last) return false;
    last = atMs;
    return true;
  };
  /** Moments out of the order of their readings; they come before the next moment that is later. */
  let late: number[] = [];
  for (const reading of cronReadings(cron, clock.earliestReadingAfter(last))) {
    const { firstMs, secondMs, isSkipped } = clock.resolve(reading);
    if (isSkipped && !isHourly) late.push(firstMs);
    if (secondMs !== undefined && isHourly) late.push(secondMs);
    if (isSkipped) continue;
    const [earlier, later] = splitAt(late, firstMs);
    late = later;
    for (const atMs of [...earlier, firstMs]) if (isNew(atMs)) yield new Date(atMs);
  }
  for (const atMs of late) if (isNew(atMs)) yield new Date(atMs);
}

/** What the clock shows when the expression is due, from a reading on, that one included. */
function* cronReadings(cron: string, from: number): Generator<number> {
  const expression = CronExpressionParser.parse(cron, { tz: "UTC", currentDate: new Date(from - 1) });
  for (;;) {
    try {
      yield expression.next().getTime();
    } catch {
      return; // the parser looks so many years ahead and no further
    }
  }
}

/** A moment with at least `count` readings between it and `until`, or `after` when there are not so many. */
function lookBack({ cron, timezone }: CronTiming, after: Date, until: Date, count: number): Date {
  const clock = createWallClock(timezone);
  const currentDate = new Date(clock.readingAt(until.getTime()) + 1);
  const expression = CronExpressionParser.parse(cron, { tz: "UTC", currentDate });
  let startMs = until.getTime();
  for (let seen = 0; seen < count && startMs > after.getTime(); seen += 1) {
    try {
      startMs = clock.resolve(expression.prev().getTime()).firstMs - 1;
    } catch {
      return after;
    }
  }
  return new Date(Math.max(startMs, after.getTime()));
}

function splitAt(moments: readonly number[], atMs: number): [number[], number[]] {
  return [moments.filter((moment) => moment < atMs), moments.filter((moment) => moment >= atMs)];
}

function meansEveryHour(cron: string): boolean {
  const hours = splitFields(cron).at(-4);
  return hours === "*" || hours === "?";
}

function splitFields(cron: string): string[] {
  return cron.trim().split(/\s+/);
}
