import type { Blow, BlowKind } from "./chaos-blows.js";
import type { ChaosRows } from "./chaos-rows.js";

/** How long it took until things went on after blows of one kind. */
export interface Recovery {
  readonly kind: BlowKind;
  readonly count: number;
  /** Of a worker: until its steps were given to others. Of the rest: until the next step was started. */
  readonly medianSeconds: number | undefined;
  readonly mostSeconds: number | undefined;
}

/** Measures it from what was written down, by the clock of the database and of this machine, which are one. */
export function measureRecovery(blows: readonly Blow[], rows: ChaosRows): Recovery[] {
  const kinds = [...new Set(blows.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const own = blows.filter((blow) => blow.kind === kind);
    const seconds = own
      .map((blow) => secondsOf(blow, blows, rows))
      .filter((value) => value !== undefined)
      .sort((one, other) => one - other);
    const medianSeconds = seconds[Math.floor((seconds.length - 1) / 2)];
    return { kind, count: own.length, medianSeconds, mostSeconds: seconds.at(-1) };
  });
}

function secondsOf(blow: Blow, blows: readonly Blow[], rows: ChaosRows): number | undefined {
  if (blow.pid !== undefined) {
    // what it lost to a later blow is counted there
    const next = blows.find(({ pid, at }) => pid === blow.pid && at > blow.at)?.at ?? Infinity;
    const taken = rows.lostAttempts
      .filter(({ pid, at }) => pid === blow.pid && at > blow.at && at < next)
      .map(({ at }) => at);
    return taken.length === 0 ? undefined : (Math.max(...taken) - blow.at) / 1000;
  }
  const next = rows.starts.find((at) => at > blow.at + (blow.kind === "killApi" ? 0 : 200));
  return next === undefined ? undefined : (next - blow.at) / 1000;
}
