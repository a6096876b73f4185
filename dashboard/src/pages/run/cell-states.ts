import type { FeedProgress } from "./run-feed.js";

/** How a cell of a notebook does. */
export interface CellState {
  readonly cell: number;
  readonly total: number;
  readonly status: "started" | "succeeded" | "failed";
  readonly durationMs: number | undefined;
  readonly texts: readonly string[];
}

/** The cells of a step's newest attempt that have begun, in order, as their events tell. */
export function toCellStates(
  progress: readonly FeedProgress[],
  step: { readonly stepId: string; readonly itemIndex?: number | undefined; readonly attempt: number },
): CellState[] {
  const cells = new Map<number, CellState>();
  for (const { stepId, itemIndex, attempt, data } of progress) {
    if (stepId !== step.stepId || itemIndex !== step.itemIndex || attempt !== step.attempt) continue;
    const { cell, total, status, durationMs, outputs } = data;
    if (typeof cell !== "number") continue;
    cells.set(cell, {
      cell,
      total: Number(total),
      status:
        status === "started" ? "started" : status === "failed" || status === "error" ? "failed" : "succeeded",
      durationMs: typeof durationMs === "number" ? durationMs : undefined,
      texts: Array.isArray(outputs) ? outputs.flatMap(toTexts) : (cells.get(cell)?.texts ?? []),
    });
  }
  return [...cells.values()].sort((one, other) => one.cell - other.cell);
}

function toTexts(output: unknown): string[] {
  const { text, ename, evalue } = output as { text?: unknown; ename?: unknown; evalue?: unknown };
  if (typeof text === "string" && text !== "") return [text];
  return typeof ename === "string" ? [`${ename}: ${String(evalue)}`] : [];
}
