import type { LineKeys } from "./admission-statements.js";

/** Lines to be looked at; `all` of a workflow's when there are too many to name. */
export type WantedLines = "all" | readonly LineKeys[];

/** Turns under way at once in one process: each takes a connection. */
const MOST_AT_ONCE = 2;
/** From so many named lines on, all are looked at. */
const MOST_NAMED = 50;

interface Wanted {
  lines: WantedLines;
  readonly done: Promise<void>;
  readonly resolve: () => void;
}

/**
 * The turns that this process wants to take: those of one workflow one after another, and what is asked for while
 * one is under way joins the next. A run that was stored before it asks is seen by the turn it waits for.
 */
export function createTurnQueue(run: (workflowId: string, lines: WantedLines) => Promise<void>) {
  const wanted = new Map<string, Wanted>();
  const running = new Map<string, Promise<void>>();
  let isClosed = false;

  function pump(): void {
    for (const [workflowId, next] of wanted) {
      if (running.size >= MOST_AT_ONCE) return;
      if (running.has(workflowId)) continue;
      wanted.delete(workflowId);
      const turn = run(workflowId, next.lines).finally(() => {
        running.delete(workflowId);
        next.resolve();
        pump();
      });
      running.set(workflowId, turn);
    }
  }

  return {
    /** Resolves when a turn that began after this call has ended, well or not. */
    want(workflowId: string, lines: WantedLines): Promise<void> {
      if (isClosed) return Promise.resolve();
      const known = wanted.get(workflowId);
      if (known) {
        known.lines = joined(known.lines, lines);
        return known.done;
      }
      const { promise, resolve } = deferred();
      wanted.set(workflowId, { lines, done: promise, resolve });
      pump();
      return promise;
    },
    /** Drops what has not begun, and resolves when what has is over. */
    async close(): Promise<void> {
      isClosed = true;
      for (const next of wanted.values()) next.resolve();
      wanted.clear();
      await Promise.all(running.values());
    },
  };
}

function joined(one: WantedLines, other: WantedLines): WantedLines {
  if (one === "all" || other === "all" || one.length + other.length > MOST_NAMED) return "all";
  const isKnown = (line: LineKeys) =>
    one.some((known) => known.concurrencyKey === line.concurrencyKey && known.rateKey === line.rateKey);
  return [...one, ...other.filter((line) => !isKnown(line))];
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
