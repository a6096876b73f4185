import { formatDuration } from "./output.js";
import { hasEnded, type RunProgress, type StepProgress } from "./run-progress.js";

/** The look of each step status: one table, so that a new status cannot be forgotten silently. */
const LOOK: Readonly<Record<string, { sign: string; colour: number }>> = {
  pending: { sign: "·", colour: 90 },
  queued: { sign: "○", colour: 90 },
  running: { sign: "●", colour: 36 },
  retrying: { sign: "↻", colour: 33 },
  waiting: { sign: "◔", colour: 33 },
  succeeded: { sign: "✔", colour: 32 },
  failed: { sign: "✖", colour: 31 },
  skipped: { sign: "↷", colour: 90 },
  canceled: { sign: "⊘", colour: 33 },
};

/** Room and time that a picture is drawn for. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  readonly nowMs: number;
  readonly hasColour: boolean;
}

/**
 * The live picture of a run: a line per step with state, duration and last log line, and a progress bar.
 * Where the steps do not fit, those at work and those that failed come first, and the rest are counted.
 */
export function renderRun(title: string, progress: RunProgress, canvas: Canvas): string[] {
  const steps = [...progress.steps.values()];
  const room = Math.max(3, canvas.rows - 5);
  const shown = steps.length <= room ? steps : choose(steps, room - 1);
  const width = Math.min(28, Math.max(8, ...shown.map((step) => step.stepId.length)));
  const lines = [cut(title, canvas.columns - 1), ...shown.map((step) => renderStep(step, width, canvas))];
  if (shown.length < steps.length) lines.push(`  … and ${steps.length - shown.length} more steps`);
  lines.push(renderBar(progress, steps, canvas));
  return lines;
}

function choose(steps: readonly StepProgress[], room: number): StepProgress[] {
  const weight = (step: StepProgress): number => {
    if (step.status === "failed") return 0;
    if (step.status === "running" || step.status === "retrying") return 1;
    return hasEnded(step) ? 3 : 2;
  };
  const kept = new Set([...steps].sort((a, b) => weight(a) - weight(b)).slice(0, room));
  return steps.filter((step) => kept.has(step));
}

function renderStep(step: StepProgress, width: number, canvas: Canvas): string {
  const look = LOOK[step.status] ?? { sign: "?", colour: 37 };
  const started = step.startedAt;
  const elapsed = started === undefined ? undefined : (step.finishedAt ?? canvas.nowMs) - started;
  const time = elapsed === undefined ? "" : formatDuration(Math.max(0, elapsed));
  const again = step.attempt > 1 ? ` (attempt ${step.attempt})` : "";
  const head = `${look.sign} ${cut(step.stepId, width).padEnd(width)} ${step.status.padEnd(9)} ${time.padStart(9)}`;
  const tail = cut(`${again}${step.note ? `  ${step.note}` : ""}`, canvas.columns - head.length - 3);
  return `  ${paint(head, look.colour, canvas)}${paint(tail, 90, canvas)}`;
}

function renderBar(progress: RunProgress, steps: readonly StepProgress[], canvas: Canvas): string {
  const done = steps.filter(hasEnded).length;
  const width = Math.max(10, Math.min(40, canvas.columns - 40));
  const filled = steps.length === 0 ? 0 : Math.round((done / steps.length) * width);
  const bar = `${"█".repeat(filled)}${"░".repeat(width - filled)}`;
  return `  ${bar} ${done}/${steps.length} steps, ${progress.status}`;
}

function cut(text: string, width: number): string {
  if (width <= 0) return "";
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function paint(text: string, colour: number, canvas: Canvas): string {
  return canvas.hasColour && text !== "" ? `\u001b[${colour}m${text}\u001b[0m` : text;
}
