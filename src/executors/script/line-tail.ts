import type { LineCut } from "./line-splitter.js";

/** The last lines of a stream, for errors. */
export interface LineTail {
  readonly lines: readonly string[];
  push(line: string, cut: LineCut): void;
}

const TOO_LONG = "[a line that is too long to be shown here]";

/** Keeps so many lines. Of one that was cut it keeps nothing: a secret could be on both sides of the cut. */
export function createLineTail(maxLines: number): LineTail {
  const lines: string[] = [];
  let isWithin = false;
  return {
    lines,
    push(line, { continues }) {
      const isPiece = isWithin || continues;
      if (!isWithin) lines.push(isPiece ? TOO_LONG : line);
      isWithin = continues;
      if (lines.length > maxLines) lines.shift();
    },
  };
}
