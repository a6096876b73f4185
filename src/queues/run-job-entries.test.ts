import { describe, expect, it } from "@jest/globals";
import type { BullQueue } from "./queue-connections.js";
import { buildParentEntry, buildStepEntry } from "./run-job-entries.js";
import type { StepDispatch } from "./run-queue.js";

const runId = "019ab000-0000-7000-8000-000000000001";
const versionId = "019ab000-0000-7000-8000-000000000002";

/** As much of a queue as a job's record needs. */
function queueNamed(name: string): BullQueue {
  return {
    name,
    qualifiedName: `hr:${name}`,
    toKey: (type: string) => `hr:${name}:${type}`,
    opts: {},
    backend: {},
  } as unknown as BullQueue;
}

function step(options: Partial<StepDispatch> = {}): StepDispatch {
  const job = { runId, versionId, stepIndex: 0, stepId: "load", itemIndex: 4, attempt: 2 };
  return { job, workerGroup: "default", priority: 0, rank: 0, delayMs: 0, ...options };
}

describe("entries of a run's jobs", () => {
  it("carry ids and small scalars only, under an id that holds the attempt", () => {
    const { jobData, jobId, queueName } = buildStepEntry(queueNamed("steps-default"), step());
    expect(jobId).toBe(`${runId}.load.4.2`);
    expect(queueName).toBe("steps-default");
    expect(JSON.parse(jobData.data)).toEqual({
      runId,
      versionId,
      stepIndex: 0,
      stepId: "load",
      itemIndex: 4,
      attempt: 2,
    });
  });

  it("are tried once, go when they succeed and stay in sight for a day when they fail", () => {
    const { jobData } = buildStepEntry(queueNamed("steps-default"), step());
    expect(jobData.opts).toMatchObject({
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: { count: 1000, age: 86_400 },
    });
    expect(jobData.opts).not.toHaveProperty("priority");
    expect(jobData.opts).not.toHaveProperty("lifo");
    expect(jobData.opts).not.toHaveProperty("delay");
  });

  it.each([
    [7, { lifo: true }],
    [-1, { priority: 1_025_025 }],
    [-100, { priority: 1_126_401 }],
    [-1e9, { priority: 2_048_001 }],
    [-0.5, { priority: 1_025_025 }],
  ])("turn priority %d into %j", (priority, expected) => {
    expect(buildStepEntry(queueNamed("steps-default"), step({ priority })).jobData.opts).toMatchObject(
      expected,
    );
  });

  it("of a backlog have a number, whatever their priority", () => {
    const numberOf = (priority: number, rank: number) =>
      buildStepEntry(queueNamed("steps-default"), step({ priority, rank })).jobData.opts;
    expect(numberOf(0, 1)).toMatchObject({ priority: 1_024_002 });
    expect(numberOf(7, 1)).toMatchObject({ priority: 1_016_834 });
    expect(numberOf(7, 1)).not.toHaveProperty("lifo");
  });

  it("round a delay up, never to a moment before it is due", () => {
    expect(buildStepEntry(queueNamed("steps-default"), step({ delayMs: 10.2 })).jobData.opts).toMatchObject({
      delay: 11,
    });
  });

  it("name their parent, which a failure of theirs cannot strand", () => {
    const parent = { id: `${runId}.flow.1`, queue: queueNamed("runs") };
    const { jobData, parentKeyOpts } = buildStepEntry(queueNamed("steps-default"), step(), parent);
    expect(jobData.parent).toEqual({ id: parent.id, queueKey: "hr:runs", rdof: true });
    expect(parentKeyOpts).toEqual({
      parentKey: `hr:runs:${parent.id}`,
      parentDependenciesKey: `hr:runs:${parent.id}:dependencies`,
    });
    const own = buildParentEntry(parent, runId);
    expect(own).toMatchObject({
      jobId: parent.id,
      queueName: "runs",
      parentKeyOpts: { addToWaitingChildren: true },
    });
    expect(JSON.parse(own.jobData.data)).toEqual({ runId });
  });
});
