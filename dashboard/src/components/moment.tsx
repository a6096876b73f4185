import { useEffect, useState } from "react";
import { formatDuration } from "../format/duration.js";
import { describeMoment, formatAgo, formatMoment } from "../format/time.js";

/** A moment in the reader's zone; in full and in UTC for whoever points at it. */
export function Moment({
  at,
  isRelative = false,
}: {
  readonly at: string | null | undefined;
  readonly isRelative?: boolean;
}) {
  const now = useNow(isRelative ? 15_000 : undefined);
  if (!at) return <span aria-hidden>–</span>;
  return (
    <time dateTime={at} title={describeMoment(at)} className="number">
      {isRelative ? formatAgo(at, now) : formatMoment(at, now)}
    </time>
  );
}

/** How long something took, or has taken so far. */
export function Elapsed({
  from,
  to,
}: {
  readonly from: string | null | undefined;
  readonly to: string | null | undefined;
}) {
  const now = useNow(from && !to ? 500 : undefined);
  if (!from) return <span aria-hidden>–</span>;
  const end = to ? new Date(to).getTime() : now;
  return <span className="number">{formatDuration(end - new Date(from).getTime())}</span>;
}

/** The time by the reader's clock, renewed every `everyMs`; undefined: never. */
export function useNow(everyMs: number | undefined): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (everyMs === undefined) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
