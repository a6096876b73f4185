/** What a reading of a zone's clock means in UTC: twice where the clock is put back, never where it is put forward. */
export interface ClockReading {
  /** Milliseconds since the epoch; the first time that the clock shows it, or would have, had it not been put forward. */
  readonly firstMs: number;
  /** The second time that it shows it. */
  readonly secondMs?: number;
  /** Whether the clock never shows it. */
  readonly isSkipped: boolean;
}

/** A zone's clock. Readings are milliseconds, as if the clock's date and time were UTC. */
export interface WallClock {
  /** What the clock shows at a moment. */
  readingAt(atMs: number): number;
  /** The moments at which it shows a reading. */
  resolve(reading: number): ClockReading;
  /** The earliest reading that may mean a moment after this one. */
  earliestReadingAfter(atMs: number): number;
}

const DAY_MS = 86_400_000;
/** No clock is put forward or back by more than this. */
const LONGEST_SHIFT_MS = 3 * 3_600_000;
const MOST_FORMATS = 500;
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether a text names a time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  try {
    return name.length <= 100 && new Intl.DateTimeFormat("en-US", { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

/** The clock of a time zone that {@link isTimeZone} knows. @throws RangeError for another one. */
export function createWallClock(timezone: string): WallClock {
  const format = formatOf(timezone);
  const offsetAt = (atMs: number) => parseOffset(format, atMs);
  let day = Number.NaN;
  let before = 0;
  let after = 0;

  return {
    readingAt: (atMs) => atMs + offsetAt(atMs),
    resolve(reading) {
      const readingDay = Math.floor(reading / DAY_MS);
      if (readingDay !== day) {
        day = readingDay;
        before = offsetAt((day - 1) * DAY_MS);
        after = offsetAt((day + 2) * DAY_MS);
      }
      const [early, late] = [reading - before, reading - after];
      if (before === after) return { firstMs: early, isSkipped: false };
      const [isEarly, isLate] = [offsetAt(early) === before, offsetAt(late) === after];
      if (isEarly && isLate) return { firstMs: early, secondMs: late, isSkipped: false };
      if (isLate) return { firstMs: late, isSkipped: false };
      return { firstMs: early, isSkipped: !isEarly };
    },
    earliestReadingAfter(atMs) {
      const near = [atMs - LONGEST_SHIFT_MS, atMs, atMs + LONGEST_SHIFT_MS];
      return atMs + Math.min(...near.map(offsetAt));
    },
  };
}

/** Making a format costs more than a hundred uses of it. */
function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  if (formats.size >= MOST_FORMATS) formats.clear();
  const format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  formats.set(timeZone, format);
  return format;
}

/** Milliseconds that the zone is ahead of UTC at a moment: `GMT-03:30` is -12,600,000. */
function parseOffset(format: Intl.DateTimeFormat, atMs: number): number {
  const name = format.formatToParts(atMs).find((part) => part.type === "timeZoneName")?.value ?? "";
  const match = /^GMT([+-])(\d{2}):(\d{2})(?::(\d{2}))?$/.exec(name);
  if (!match) return 0;
  const [, sign, hours, minutes, seconds = "0"] = match;
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return (sign === "-" ? -1 : 1) * total * 1000;
}
