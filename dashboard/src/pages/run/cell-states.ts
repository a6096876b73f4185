import type { FeedProgress } from "./run-feed.js";

/** What a cell has shown: a text, or a file with an image or a page. */
export interface CellOutput {
  readonly text: string | undefined;
  readonly isError: boolean;
  readonly file: { readonly id: string; readonly name: string } | undefined;
}

/** How a cell of a notebook does. */
export interface CellState {
  readonly cell: number;
  readonly total: number;
  readonly status: "started" | "succeeded" | "failed";
  readonly durationMs: number | undefined;
  readonly outputs: readonly CellOutput[];
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
      outputs: Array.isArray(outputs) ? outputs.flatMap(toOutput) : (cells.get(cell)?.outputs ?? []),
    });
  }
  return [...cells.values()].sort((one, other) => one.cell - other.cell);
}

function toOutput(output: unknown): CellOutput[] {
  const { text, ename, evalue, artifact } = output as {
    text?: unknown;
    ename?: unknown;
    evalue?: unknown;
    artifact?: { id?: unknown; name?: unknown };
  };
  const isError = typeof ename === "string";
  const said =
    typeof text === "string" && text !== "" ? text : isError ? `${ename}: ${String(evalue)}` : undefined;
  const file =
    typeof artifact?.id === "string"
      ? { id: artifact.id, name: String(artifact.name ?? "output") }
      : undefined;
  return said === undefined && !file ? [] : [{ text: said, isError, file }];
}
