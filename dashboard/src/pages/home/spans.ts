/** How far back the charts look, and in what steps. */
export const SPANS = {
  "1h": { label: "Last hour", seconds: 3600, bucket: "1m", bucketSeconds: 60 },
  "24h": { label: "Last 24 hours", seconds: 86_400, bucket: "30m", bucketSeconds: 1800 },
  "7d": { label: "Last 7 days", seconds: 7 * 86_400, bucket: "3h", bucketSeconds: 10_800 },
  "30d": { label: "Last 30 days", seconds: 30 * 86_400, bucket: "12h", bucketSeconds: 43_200 },
} as const;
/** One of them. */
export type SpanId = keyof typeof SPANS;

/**
 * Bounds of a span up to now, on whole buckets: so that bars stand still while time goes on, and the newest, which is
 * not full yet, is among them.
 */
export function boundsOf(id: SpanId, now: number): { readonly from: string; readonly to: string } {
  const { seconds, bucketSeconds } = SPANS[id];
  const step = bucketSeconds * 1000;
  const to = Math.ceil(now / step) * step;
  return { from: new Date(to - seconds * 1000).toISOString(), to: new Date(to).toISOString() };
}
