import { describe, expect, it } from "@jest/globals";
import type { RunEventFrame } from "./api-shapes.js";
import { describeEvent } from "./follow-run.js";
import { renderRun } from "./render-run.js";
import { applyEvent, createRunProgress } from "./run-progress.js";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const canvas = { columns: 80, rows: 24, nowMs: START + 2500, hasColour: false };

function event(seq: number, type: string, rest: Partial<RunEventFrame> = {}): RunEventFrame {
  return { seq, runId: "r", type, at: new Date(START).toISOString(), data: {}, ...rest };
}

describe("the live picture of a run", () => {
  it("shows state, duration, last log line and progress", () => {
    const progress = createRunProgress(["load", "sum"]);
    applyEvent(progress, event(1, "run.started"));
    applyEvent(progress, event(2, "step.started", { stepId: "load", attempt: 2 }));
    const lines = [{ stream: "stdout", message: "\u001b[31mread 3 rows\u001b[0m\u0007" }];
    applyEvent(progress, event(3, "step.log", { stepId: "load", data: { lines } }));
    const [title, load, sum, bar] = renderRun("weather", progress, canvas);
    expect(title).toBe("weather");
    expect(load).toBe("  ● load     running       2.5 s (attempt 2)  read 3 rows");
    expect(sum).toContain("· sum      pending");
    expect(bar).toContain("0/2 steps, running");
    applyEvent(progress, event(4, "step.succeeded", { stepId: "load" }));
    expect(renderRun("weather", progress, canvas).at(-1)).toContain("1/2 steps");
  });

  it("keeps within the terminal: no line too long, not too many lines, what failed stays in sight", () => {
    const ids = Array.from({ length: 200 }, (_, index) => `step-${index}`);
    const progress = createRunProgress(ids);
    applyEvent(
      progress,
      event(1, "step.failed", { stepId: "step-150", data: { error: { message: "x".repeat(500) } } }),
    );
    const lines = renderRun("many", progress, { ...canvas, columns: 60, rows: 12 });
    expect(lines.length).toBeLessThanOrEqual(12);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines.join("\n")).toContain("step-150");
    expect(lines.join("\n")).toContain("more steps");
  });

  it("describes events in plain lines without control characters", () => {
    const lines = [{ stream: "stdout", message: "a\u001b]0;title\u0007b" }];
    const [line] = describeEvent(event(1, "step.log", { stepId: "s", data: { lines } }));
    expect(line).toBe("2026-01-01T00:00:00.000Z  s | a]0;titleb");
  });
});
