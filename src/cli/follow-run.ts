import { z } from "zod";
import type { ApiClient } from "./api-client.js";
import {
  itemsOf,
  type Run,
  type RunEventFrame,
  runEventShape,
  runShape,
  stepRunShape,
} from "./api-shapes.js";
import type { Output } from "./output.js";
import { toPlainText } from "./output.js";
import { renderRun } from "./render-run.js";
import { applyEvent, createRunProgress, type RunProgress } from "./run-progress.js";

const REDRAW_MS = 100;

/**
 * Follows a run to its end: a live picture in a terminal, plain lines elsewhere, nothing with `--json`.
 * @returns the ended run.
 */
export async function followRun(api: ApiClient, runId: string, output: Output): Promise<Run> {
  const path = `/api/v1/workflow-runs/${encodeURIComponent(runId)}`;
  const run = await api.call("GET", path, runShape);
  const steps = await api.call("GET", `${path}/steps`, itemsOf(stepRunShape));
  const progress = createRunProgress([...new Set(steps.map((step) => step.stepId))]);
  const title = `${run.workflow.name} (version ${run.workflow.version}), run ${run.id}`;
  const screen = output.isTerminal && !output.isJson ? openScreen(title, progress, output) : undefined;
  if (!screen) output.say(title);
  try {
    for await (const frame of api.follow(`${path}/stream`)) {
      const event = parseEvent(frame.data);
      if (!event) continue;
      applyEvent(progress, event);
      if (!screen) for (const line of describeEvent(event)) output.say(line);
    }
  } finally {
    screen?.close();
  }
  return await api.call("GET", path, runShape);
}

function parseEvent(data: string): RunEventFrame | undefined {
  return runEventShape.safeParse(JSON.parse(data)).data;
}

const linesData = z.object({ lines: z.array(z.object({ stream: z.string(), message: z.string() })) });
const reasonData = z.looseObject({ error: z.looseObject({ message: z.string() }).nullish() });

/** An event as plain lines, for pipes and log files. */
export function describeEvent(event: RunEventFrame): string[] {
  const item =
    event.itemIndex === null || event.itemIndex === undefined || event.itemIndex < 0
      ? ""
      : `[${event.itemIndex}]`;
  const step = event.stepId ? `${event.stepId}${item}` : "";
  if (event.type === "step.log") {
    const lines = linesData.safeParse(event.data).data?.lines ?? [];
    return lines.map((line) => `${event.at}  ${step} | ${toPlainText(line.message)}`);
  }
  if (event.type === "step.token" || event.type === "step.progress") return [];
  const again = event.attempt && event.attempt > 1 ? ` (attempt ${event.attempt})` : "";
  const reason = reasonData.safeParse(event.data).data?.error?.message;
  const why = reason ? `: ${toPlainText(reason.split("\n").at(-1) ?? "")}` : "";
  return [`${event.at}  ${event.type}${step ? ` ${step}` : ""}${again}${why}`];
}

interface Screen {
  close(): void;
}

/** Redraws the picture in place, ten times a second, and leaves the last one standing. */
function openScreen(title: string, progress: RunProgress, output: Output): Screen {
  let drawn = 0;
  const draw = (): void => {
    const lines = renderRun(title, progress, {
      columns: process.stdout.columns || 80,
      rows: process.stdout.rows || 24,
      nowMs: Date.now(),
      hasColour: output.hasColour,
    });
    const up = drawn > 0 ? `\u001b[${drawn}A` : "";
    process.stdout.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join("")}\u001b[0J`);
    drawn = lines.length;
  };
  draw();
  const timer = setInterval(draw, REDRAW_MS);
  return {
    close() {
      clearInterval(timer);
      draw();
    },
  };
}
