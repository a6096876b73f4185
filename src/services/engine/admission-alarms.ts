/** Alarms are set for what is due sooner than this; the sweep, every two seconds, sets those for the rest in time. */
const ALARM_WITHIN_MS = 5000;

/** One alarm for each workflow, the soonest that was asked for: a rate limit lets runs in on time, not on the next sweep. */
export function createAlarms(ring: (workflowId: string) => void) {
  const timers = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>();
  return {
    set(workflowId: string, inMs: number): void {
      if (!(inMs <= ALARM_WITHIN_MS)) return;
      // a span of the database's clock, measured on this process's: a wrong wall clock changes nothing
      const at = performance.now() + inMs;
      const known = timers.get(workflowId);
      if (known && known.at <= at) return;
      clearTimeout(known?.timer);
      const timer = setTimeout(() => {
        timers.delete(workflowId);
        ring(workflowId);
      }, Math.ceil(inMs) + 1);
      timer.unref();
      timers.set(workflowId, { at, timer });
    },
    clear(): void {
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
