const DAY_MS = 24 * 3600 * 1000;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY_CLOCK = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const FULL = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});

/** A moment in the reader's zone: the clock alone for today's, with the day for others. */
export function formatMoment(at: string, now = Date.now()): string {
  const date = new Date(at);
  const isRecent = Math.abs(now - date.getTime()) < DAY_MS && date.getDate() === new Date(now).getDate();
  return isRecent ? CLOCK.format(date) : DAY_CLOCK.format(date);
}

/** The same in full, in the reader's zone and in UTC: for whoever points at it. */
export function describeMoment(at: string): string {
  const date = new Date(at);
  return `${FULL.format(date)}\n${date.toISOString().replace("T", " ").replace("Z", " UTC")}`;
}

/** How long ago: `now`, `12 s ago`, `5 m ago`, `3 h ago`, `4 d ago`; the future as `in 5 m`. */
export function formatAgo(at: string, now = Date.now()): string {
  const seconds = Math.round((now - new Date(at).getTime()) / 1000);
  const span = Math.abs(seconds);
  if (span < 5) return "now";
  const text =
    span < 60
      ? `${span} s`
      : span < 3600
        ? `${Math.floor(span / 60)} m`
        : span < 86_400
          ? `${Math.floor(span / 3600)} h`
          : `${Math.floor(span / 86_400)} d`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
