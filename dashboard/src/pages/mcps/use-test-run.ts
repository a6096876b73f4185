import { useCallback, useEffect, useRef, useState } from "react";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import type { LogLine, RunEvent } from "../../../../src/contracts/run-events.js";
import { followEvents } from "../../api/follow-events.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";

/** A test of a version, as far as it has come. */
export interface TestRun {
  readonly id: string;
  readonly status: Run["status"];
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly lines: readonly LogLine[];
  /** What a model has written so far. */
  readonly text: string;
  /** The one step, once the run has ended. */
  readonly step: StepRun | undefined;
}

const MOST_LINES = 5000;

/** Starts tests, and follows the last one until its end. */
export function useTestRun() {
  const [run, setRun] = useState<TestRun>();
  const stop = useRef<() => void>(() => undefined);
  useEffect(() => () => stop.current(), []);

  const start = useCallback(async (versionId: string, inputs: unknown): Promise<void> => {
    stop.current();
    const created = await apiRequest<Run>(`/mcp-versions/${versionId}/test`, {
      method: "POST",
      body: { inputs },
    });
    const { id, status, createdAt } = created;
    setRun({ id, status, startedAt: createdAt, finishedAt: null, lines: [], text: "", step: undefined });
    stop.current = followEvents({
      path: `/workflow-runs/${id}/stream`,
      onFrames(frames) {
        const events = frames.map(({ data }) => JSON.parse(data) as RunEvent);
        setRun((before) => (before?.id === id ? events.reduce(takeEvent, before) : before));
      },
      onState(state) {
        if (state !== "ended") return;
        void readEnd(id).then((end) =>
          setRun((before) => (before?.id === id ? { ...before, ...end } : before)),
        );
      },
    });
  }, []);
  return { run, start };
}

async function readEnd(id: string): Promise<Partial<TestRun>> {
  const [run, steps] = await Promise.all([
    apiRequest<Run>(`/workflow-runs/${id}`),
    apiRequest<Page<StepRun>>(`/workflow-runs/${id}/steps`),
  ]);
  return { status: run.status, finishedAt: run.finishedAt, step: steps.items[0] };
}

function takeEvent(run: TestRun, event: RunEvent): TestRun {
  const data = event.data as { readonly lines?: readonly LogLine[]; readonly text?: string } | null;
  if (event.type === "step.log")
    return { ...run, lines: [...run.lines, ...(data?.lines ?? [])].slice(-MOST_LINES) };
  if (event.type === "step.token") return { ...run, text: run.text + (data?.text ?? "") };
  const [noun, status] = event.type.split(".");
  if (noun === "run" && status === "started") return { ...run, status: "running" };
  if (noun === "run" && status === "waiting") return { ...run, status: "waiting" };
  return run;
}
