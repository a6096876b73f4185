import type { LogLine, RunEvent } from "../../../../src/contracts/run-events.js";

/** A line of the run's log with whose it is. */
export interface FeedLine extends LogLine {
  readonly stepId: string;
  readonly itemIndex: number | undefined;
  readonly attempt: number;
}

/** What a step told while it ran. */
export interface FeedProgress {
  readonly at: string;
  readonly stepId: string;
  readonly itemIndex: number | undefined;
  readonly attempt: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a run's events have told so far, apart from its state: logs, progress, tokens. */
export interface RunFeed {
  readonly lines: readonly FeedLine[];
  readonly progress: readonly FeedProgress[];
  /** Streamed text of a step's newest attempt. */
  tokens(stepId: string, itemIndex: number | undefined): string;
  /** Takes events in; those that were taken before are passed over. */
  take(events: readonly RunEvent[]): void;
  /** Grows with each change. */
  version(): number;
  subscribe(listener: () => void): () => void;
}

/**
 * Keeps what comes. Listeners are told at most once a frame (`later`), however many events a frame brings, so that a
 * run which writes a hundred thousand lines does not render a hundred thousand times.
 */
export function createRunFeed(later: (act: () => void) => void): RunFeed {
  const lines: FeedLine[] = [];
  const progress: FeedProgress[] = [];
  const tokens = new Map<string, { attempt: number; text: string }>();
  const listeners = new Set<() => void>();
  let lastSeq = 0;
  let version = 0;
  let isTold = true;

  function takeOne(event: RunEvent): boolean {
    const { stepId, itemIndex, attempt = 1, at, data } = event;
    if (stepId === undefined) return false;
    const from = { stepId, itemIndex, attempt };
    if (event.type === "step.log") {
      for (const line of (data as unknown as { lines?: LogLine[] }).lines ?? [])
        lines.push({ ...line, ...from });
      return true;
    }
    if (event.type === "step.progress") {
      progress.push({ at, ...from, data: data as Record<string, unknown> });
      return true;
    }
    if (event.type !== "step.token") return false;
    const key = keyOf(stepId, itemIndex);
    const held = tokens.get(key);
    const before = held && held.attempt === attempt ? held.text : "";
    tokens.set(key, { attempt, text: before + String((data as { text?: unknown }).text ?? "") });
    return true;
  }

  return {
    lines,
    progress,
    tokens: (stepId, itemIndex) => tokens.get(keyOf(stepId, itemIndex))?.text ?? "",
    take(events) {
      let isChanged = false;
      for (const event of events) {
        if (event.seq <= lastSeq) continue;
        lastSeq = event.seq;
        isChanged = takeOne(event) || isChanged;
      }
      if (!isChanged || !isTold) return;
      isTold = false;
      later(() => {
        isTold = true;
        version += 1;
        for (const listener of listeners) listener();
      });
    },
    version: () => version,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function keyOf(stepId: string, itemIndex: number | undefined): string {
  return `${stepId}\n${itemIndex ?? ""}`;
}
