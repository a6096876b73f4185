import { describe, expect, it } from "@jest/globals";
import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { RunEvent } from "../../../../src/contracts/run-events.js";
import { applyStepEvents } from "./apply-step-events.js";
import { toCellStates } from "./cell-states.js";
import { createRunFeed } from "./run-feed.js";

const event = (seq: number, type: RunEvent["type"], more: Partial<RunEvent> = {}): RunEvent => ({
  ...{ seq, runId: "r", type, at: `2026-01-01T00:00:0${seq}.000Z`, stepId: "s", attempt: 1, data: {} },
  ...more,
});
const line = (message: string) => ({ at: "2026-01-01T00:00:00.000Z", stream: "stdout", message });

describe("createRunFeed", () => {
  it("keeps each event once, however often it comes, and tells once a frame", () => {
    const frames: (() => void)[] = [];
    const feed = createRunFeed((act) => frames.push(act));
    let told = 0;
    feed.subscribe(() => (told += 1));
    const events = [
      event(1, "step.log", { data: { lines: [line("a"), line("b")] } }),
      event(2, "step.token", { data: { text: "x" } }),
    ];
    feed.take(events);
    feed.take([...events, event(3, "step.log", { data: { lines: [line("c")] } })]);
    expect([frames.length, told]).toEqual([1, 0]);
    frames[0]?.();
    expect([told, feed.version()]).toEqual([1, 1]);
    expect(feed.lines.map(({ message }) => message)).toEqual(["a", "b", "c"]);
    expect(feed.tokens("s", undefined)).toBe("x");
  });

  it("starts the streamed text anew with each attempt", () => {
    const feed = createRunFeed((act) => act());
    feed.take([
      event(1, "step.token", { data: { text: "old" } }),
      event(2, "step.token", { attempt: 2, data: { text: "new" } }),
      event(3, "step.token", { attempt: 2, data: { text: "er" } }),
    ]);
    expect(feed.tokens("s", undefined)).toBe("newer");
  });

  it("tells the cells of a notebook by the newest attempt", () => {
    const feed = createRunFeed((act) => act());
    feed.take([
      event(1, "step.progress", { data: { cell: 0, total: 2, status: "failed" } }),
      event(2, "step.progress", { attempt: 2, data: { cell: 0, total: 2, status: "started" } }),
      event(3, "step.progress", {
        attempt: 2,
        data: {
          cell: 0,
          total: 2,
          status: "succeeded",
          durationMs: 5,
          outputs: [{ type: "stream", text: "hi" }],
        },
      }),
      event(4, "step.progress", { attempt: 2, data: { cell: 1, total: 2, status: "started" } }),
    ]);
    const cells = toCellStates(feed.progress, { stepId: "s", attempt: 2 });
    expect(cells.map(({ cell, status, outputs }) => [cell, status, outputs.map(({ text }) => text)])).toEqual(
      [
        [0, "succeeded", ["hi"]],
        [1, "started", []],
      ],
    );
  });
});

const step = (more: Partial<StepRun> = {}): StepRun =>
  ({
    ...{
      id: "1",
      stepId: "s",
      status: "pending",
      attempt: 1,
      queuedAt: null,
      startedAt: null,
      finishedAt: null,
    },
    ...{ durationMs: null, attempts: [], ...more },
  }) as unknown as StepRun;

describe("applyStepEvents", () => {
  it("moves a step from queued to its end, with its times", () => {
    const [moved] = applyStepEvents(
      [step({ waitingFor: [{ reason: "queue", detail: "x", since: "" }] })],
      [event(1, "step.queued"), event(2, "step.started"), event(4, "step.succeeded")],
    );
    expect(moved).toMatchObject({
      status: "succeeded",
      durationMs: 2000,
      finishedAt: "2026-01-01T00:00:04.000Z",
    });
    expect(moved?.waitingFor).toBeUndefined();
  });

  it("is not set back by events that are older than what was read", () => {
    const steps = [step({ status: "succeeded", finishedAt: "2026-01-01T00:00:09.000Z" })];
    expect(applyStepEvents(steps, [event(1, "step.queued"), event(2, "step.started")])).toBe(steps);
  });

  it("takes a new attempt, and tells items from their step", () => {
    const steps = [step(), step({ id: "2", itemIndex: 0, status: "failed", attempt: 1 })];
    const moved = applyStepEvents(steps, [event(3, "step.started", { itemIndex: 0, attempt: 2 })]);
    expect(moved.map(({ status, attempt }) => [status, attempt])).toEqual([
      ["pending", 1],
      ["running", 2],
    ]);
  });
});
