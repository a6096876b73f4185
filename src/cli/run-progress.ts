import { z } from "zod";
import type { RunEventFrame } from "./api-shapes.js";
import { toPlainText } from "./output.js";

/** What is known of a step while its run is followed. */
export interface StepProgress {
  readonly stepId: string;
  status: string;
  attempt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  /** Last line of its log, its progress report, or why it waits. */
  note: string;
}

/** A run as its events tell it. */
export interface RunProgress {
  status: string;
  readonly steps: Map<string, StepProgress>;
}

const STEP_ENDS = new Set(["succeeded", "failed", "skipped", "canceled"]);

/** A run of these steps of which nothing is known yet. */
export function createRunProgress(stepIds: readonly string[]): RunProgress {
  return { status: "queued", steps: new Map(stepIds.map((id) => [id, newStep(id)])) };
}

/** Whether a step has ended. */
export function hasEnded(step: StepProgress): boolean {
  return STEP_ENDS.has(step.status);
}

const logData = z.object({ lines: z.array(z.object({ stream: z.string(), message: z.string() })) });
const noteData = z.looseObject({
  message: z.string().optional(),
  value: z.number().optional(),
  error: z.looseObject({ message: z.string() }).nullish(),
});

/** Takes one event in. Events of items of a `forEach` count for their step. */
export function applyEvent(progress: RunProgress, event: RunEventFrame): void {
  const [subject, verb] = event.type.split(".") as [string, string];
  if (subject === "run") {
    progress.status = verb === "started" ? "running" : verb;
    return;
  }
  if (!event.stepId) return;
  const step = progress.steps.get(event.stepId) ?? newStep(event.stepId);
  progress.steps.set(step.stepId, step);
  const at = Date.parse(event.at);
  if (verb === "log") {
    const last = logData.safeParse(event.data).data?.lines.at(-1);
    if (last) step.note = toPlainText(last.message);
    return;
  }
  const told = noteData.safeParse(event.data).data;
  if (verb === "progress") {
    const percent = told?.value === undefined ? "" : `${Math.round(told.value * 100)} % `;
    step.note = toPlainText(`${percent}${told?.message ?? ""}`).trim();
    return;
  }
  takeTransition(step, verb, at, event.attempt ?? undefined);
  const reason =
    told?.error?.message ?? (verb === "failed" || verb === "retrying" ? told?.message : undefined);
  if (reason) step.note = toPlainText(reason.split("\n").at(-1) ?? "");
}

function takeTransition(step: StepProgress, verb: string, at: number, attempt: number | undefined): void {
  if (attempt !== undefined) step.attempt = attempt;
  if (verb === "started") {
    step.status = "running";
    step.startedAt = at;
    step.finishedAt = undefined;
  } else if (verb === "retrying") {
    step.status = "retrying";
  } else if (verb === "queued" || verb === "waiting" || STEP_ENDS.has(verb)) {
    step.status = verb;
    if (STEP_ENDS.has(verb)) step.finishedAt = at;
  }
}

function newStep(stepId: string): StepProgress {
  return { stepId, status: "pending", attempt: 0, startedAt: undefined, finishedAt: undefined, note: "" };
}
