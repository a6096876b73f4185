import { describe, expect, it } from "@jest/globals";
import { buildPlan, type StepDraft } from "../../test/support/build-plan.js";
import { advance, beginRun, MAX_LOST_WORKERS } from "./advance.js";
import type { RunError, RunStatus } from "./statuses.js";
import { StepStates } from "./step-states.js";
import type { FreeWorker, RunState, StepState, Transition } from "./transition.js";

const token = "11111111-1111-4111-8111-111111111111";
const error: RunError = { code: "script_error", message: "no" };
const key = { stepIndex: 0, itemIndex: -1 };

function run(states: string, status: RunStatus = "running", failure: RunError | null = null): RunState {
  return { id: "run", status, states: new StepStates(states), error: failure, ending: null, depth: 0 };
}

function step(values: Partial<StepState> = {}): StepState {
  return {
    ...key,
    status: "running",
    attempt: 1,
    lostCount: 0,
    releasedCount: 0,
    leaseToken: token,
    waitMs: 0,
    fanOut: null,
    childRunId: null,
    approval: null,
    isDue: false,
    ...values,
  };
}

function apply(
  transition: Transition,
  state = run("r"),
  row: StepState | undefined = step(),
  drafts: StepDraft[] = [{ id: "a" }],
  rest = {},
) {
  return advance({ plan: buildPlan(drafts, rest), run: state, step: row, transition, random: 0 });
}

const claim: Transition = { kind: "claim", ...key, attempt: 1, token, workerId: "w", sandboxLevel: "none" };
const succeed: Transition = { kind: "succeed", ...key, token, output: { n: 1 } };
const fail: Transition = { kind: "fail", ...key, token, error, isRetryable: true };
const types = (result: { events: readonly { type: string }[] }) => result.events.map((event) => event.type);

describe("beginRun", () => {
  it("queues the roots and counts them as the run's first events", () => {
    const state = run("pp", "queued");
    const result = beginRun(buildPlan([{ id: "a" }, { id: "b", after: ["a"] }]), state, { delayMs: 0 });
    expect(types(result)).toEqual(["run.queued", "step.queued"]);
    expect(result.dispatches).toEqual([{ ...key, attempt: 1, delayMs: 0 }]);
    expect(result.status).toBe("queued");
  });

  it("ends a run at once when no step can ever start", () => {
    const result = beginRun(buildPlan([{ id: "a", runAfter: "anyFailed" }]), run("p", "queued"), {
      delayMs: 0,
    });
    expect(types(result)).toEqual(["run.queued", "step.skipped", "run.succeeded"]);
  });
});

describe("claim", () => {
  it("starts a queued step, and the run with it", () => {
    const result = apply(claim, run("q", "queued"), step({ status: "queued", leaseToken: null }));
    expect(types(result)).toEqual(["run.started", "step.started"]);
    expect(result).toMatchObject({ status: "running", hasStarted: true });
  });

  it("is refused twice over: for another attempt, and for a step that is taken", () => {
    expect(apply(claim, run("q"), step({ status: "queued", attempt: 2 })).refusal).toEqual({
      reason: "stale",
    });
    expect(apply(claim, run("r"), step()).refusal).toEqual({ reason: "stale" });
  });

  it("is put off when it comes before its time by the database's clock", () => {
    expect(apply(claim, run("q"), step({ status: "queued", waitMs: 1500 })).refusal).toEqual({
      reason: "early",
      waitMs: 1500,
    });
  });
});

describe("succeed", () => {
  it("ends the run with the last step", () => {
    const result = apply(succeed);
    expect(types(result)).toEqual(["step.succeeded", "run.succeeded"]);
    expect(result.ended).toEqual({});
  });

  it("waits for a close where the workflow maps its outputs", () => {
    const result = apply(succeed, run("r"), step(), [{ id: "a" }], {
      outputs: { n: { step: "a", output: "/n" } },
    });
    expect(result).toMatchObject({ status: "running", isClosing: true });
  });

  it("is refused with an old token, and after the run has ended", () => {
    expect(apply({ ...succeed, token: "other" }).refusal).toEqual({ reason: "stale" });
    expect(apply(succeed, run("c", "canceled")).refusal).toEqual({ reason: "ended" });
  });
});

describe("perform", () => {
  const worker = { token, workerId: "w", sandboxLevel: "none" };
  const values = { inputs: {}, output: { n: 1 } };
  const perform: Transition = { kind: "perform", ...key, attempt: 1, ...worker, ...values };
  const queued = step({ status: "queued", leaseToken: null });
  const chain: StepDraft[] = [{ id: "a" }, { id: "b", after: ["a"] }, { id: "c", after: ["b"] }];
  const free: FreeWorker = {
    ...worker,
    accepts: () => true,
    perform: (_step, outputOf) => ({ inputs: {}, output: { before: outputOf(0) ?? null } }),
  };

  it("begins and ends a queued step, and the run with it", () => {
    const result = apply(perform, run("q", "queued"), queued);
    expect(types(result)).toEqual(["run.started", "step.started", "step.succeeded", "run.succeeded"]);
    expect(result.changes.map(({ type }) => type)).toEqual(["start", "end"]);
  });

  it("is refused as a claim is", () => {
    expect(apply(perform, run("q"), step({ status: "queued", attempt: 2 })).refusal).toEqual({
      reason: "stale",
    });
    expect(apply(perform, run("r"), step()).refusal).toEqual({ reason: "stale" });
    expect(apply(perform, run("s"), step({ status: "succeeded" })).refusal).toEqual({ reason: "stale" });
    const early = apply(perform, run("q"), step({ status: "queued", waitMs: 9 }));
    expect(early.refusal).toEqual({ reason: "early", waitMs: 9 });
  });

  it("ends what becomes ready and needs no running, by the outputs that are at hand", () => {
    const next = { ...perform, next: free } as Transition;
    const result = apply(next, run("qpp", "queued"), queued, chain);
    expect(types(result).filter((type) => type === "step.succeeded")).toHaveLength(3);
    expect(types(result).at(-1)).toBe("run.succeeded");
    expect(result).toMatchObject({ performed: 2, continued: undefined, dispatches: [] });
    expect(result.changes).toContainEqual(
      expect.objectContaining({ type: "end", stepIndex: 1, output: { before: { n: 1 } } }),
    );
  });

  it("leaves what has to be run to the worker, and the rest to the queue", () => {
    const isQuick = ({ id }: { id: string }) => id === "b";
    const next: FreeWorker = {
      ...free,
      perform: (one) => (isQuick(one) ? { inputs: {}, output: {} } : undefined),
    };
    const drafts: StepDraft[] = [...chain, { id: "d", after: ["b"] }];
    const result = apply({ ...succeed, next } as Transition, run("rppp"), step(), drafts);
    expect(result).toMatchObject({ performed: 1, continued: { stepIndex: 2, itemIndex: -1 } });
    expect(result.dispatches).toEqual([{ stepIndex: 3, itemIndex: -1, attempt: 1, delayMs: 0 }]);
  });

  it("performs nothing for a worker that may not take it, and no more than a hundred in one go", () => {
    const next = { ...free, accepts: () => false };
    const refused = apply({ ...succeed, next } as Transition, run("rpp"), step(), chain);
    expect(refused).toMatchObject({ performed: 0, continued: undefined });
    expect(refused.dispatches).toHaveLength(1);
    const many = Array.from({ length: 150 }, (_, index) => ({
      id: `s${index}`,
      ...(index > 0 ? { after: [`s${index - 1}`] } : {}),
    }));
    const long = apply({ ...succeed, next: free } as Transition, run(`r${"p".repeat(149)}`), step(), many);
    expect(long).toMatchObject({ performed: 100, continued: { stepIndex: 101, itemIndex: -1 } });
  });
});

describe("fail", () => {
  const retry = {
    maxAttempts: 3,
    backoff: "exponential",
    delaySeconds: 2,
    maxDelaySeconds: 60,
    jitter: false,
  } as const;

  it("tries again with the policy's delay, on a new attempt", () => {
    const result = apply(fail, run("r"), step({ attempt: 2 }), [{ id: "a", retry }]);
    expect(types(result)).toEqual(["step.retrying"]);
    expect(result.dispatches).toEqual([{ ...key, attempt: 3, delayMs: 4000 }]);
    expect(result.status).toBe("running");
  });

  it("does not charge lost and released attempts to the policy", () => {
    const result = apply(fail, run("r"), step({ attempt: 5, lostCount: 2, releasedCount: 1 }), [
      { id: "a", retry },
    ]);
    expect(types(result)).toEqual(["step.retrying"]);
  });

  it("fails the run when the tries are used up, or when trying again cannot help", () => {
    const exhausted = apply(fail, run("r"), step({ attempt: 3 }), [{ id: "a", retry }]);
    expect(types(exhausted)).toEqual(["step.failed", "run.failed"]);
    expect(exhausted.error).toEqual({ ...error, stepId: "a", attempt: 3 });
    expect(types(apply({ ...fail, isRetryable: false }, run("r"), step(), [{ id: "a", retry }]))).toContain(
      "run.failed",
    );
  });

  it("lets the run succeed with onError: continue", () => {
    const result = apply(fail, run("r"), step(), [{ id: "a", onError: "continue" }]);
    expect(types(result)).toEqual(["step.failed", "run.succeeded"]);
    expect(result.error).toBeNull();
  });

  it("tells what follows from a failure in the order of its causes", () => {
    const drafts = [
      { id: "a" },
      { id: "b", after: ["a"] },
      { id: "c", after: ["b"], runAfter: "allDone" as const },
    ];
    const result = apply({ ...fail, isRetryable: false }, run("rpp"), step(), drafts);
    expect(types(result)).toEqual(["step.failed", "step.skipped", "step.queued"]);
  });

  it("reports the first failure when a later step ends the run", () => {
    const first: RunError = { code: "timeout", message: "late", stepId: "a" };
    const result = apply({ ...succeed, stepIndex: 1 }, run("fr", "running", first), step({ stepIndex: 1 }), [
      { id: "a" },
      { id: "b" },
    ]);
    expect(types(result)).toEqual(["step.succeeded", "run.failed"]);
    expect(result.error).toEqual(first);
  });
});

describe("lost and released attempts", () => {
  it("go back to the queue at once", () => {
    const lost = apply({ kind: "lose", ...key, token });
    expect(lost.dispatches).toEqual([{ ...key, attempt: 2, delayMs: 0, lostCount: 1 }]);
    expect(lost.changes).toContainEqual(
      expect.objectContaining({ type: "queue", lostCount: 1, releasedCount: 0 }),
    );
    const released = apply({ kind: "release", ...key, token });
    expect(released.changes).toContainEqual(
      expect.objectContaining({ type: "queue", lostCount: 0, releasedCount: 1 }),
    );
  });

  it("take the step for the cause after several workers died under it", () => {
    const result = apply(
      { kind: "lose", ...key, token },
      run("r"),
      step({ attempt: 3, lostCount: MAX_LOST_WORKERS - 1 }),
    );
    expect(result.error).toMatchObject({ code: "worker_lost", stepId: "a" });
    expect(types(result)).toEqual(["step.failed", "run.failed"]);
  });
});

describe("cancel and expire", () => {
  const drafts = [{ id: "a" }, { id: "b", after: ["a"] }];

  it("end every open step and the run, and stop what runs", () => {
    const result = apply({ kind: "cancel" }, run("rp"), undefined, drafts);
    expect(types(result)).toEqual(["step.canceled", "step.canceled", "run.canceled"]);
    expect(result).toMatchObject({ status: "canceled", stopBelow: 2 });
  });

  it("fail a run that took too long", () => {
    const late: RunError = { code: "timeout", message: "late" };
    expect(apply({ kind: "expire", error: late }, run("sr"), undefined, drafts)).toMatchObject({
      status: "failed",
      error: late,
    });
  });

  it("count once when they come twice with one wish", () => {
    const stopped = { ...run("cq"), ending: "canceled" } as const;
    for (const kind of ["cancel", "expire"] as const) {
      const stop = { kind, error, ifEnding: null } as const;
      expect(apply(stop, stopped, undefined, drafts).refusal).toEqual({ reason: "stale" });
      expect(apply({ ...stop, ifEnding: "canceled" }, stopped, undefined, drafts).status).toBe("canceled");
    }
  });

  it("leave an ended run alone", () => {
    expect(apply({ kind: "cancel" }, run("ss", "succeeded"), undefined, drafts).refusal).toEqual({
      reason: "ended",
    });
  });
});

describe("close", () => {
  it("ends a run once all its steps have", () => {
    expect(apply({ kind: "close", output: { n: 1 } }, run("s")).ended).toEqual({ output: { n: 1 } });
    expect(apply({ kind: "close", output: null }, run("r")).refusal).toEqual({ reason: "stale" });
    const fault: RunError = { code: "invalid_output", message: "no" };
    expect(apply({ kind: "close", output: null, error: fault }, run("s"))).toMatchObject({
      status: "failed",
      error: fault,
    });
  });
});

describe("report", () => {
  it("labels events with the step and its attempt", () => {
    const result = apply({
      kind: "report",
      ...key,
      token,
      events: [{ type: "step.log", data: { lines: [] } }],
      inputs: { a: 1 },
    });
    expect(result.events).toEqual([{ type: "step.log", stepId: "a", attempt: 1, data: { lines: [] } }]);
    expect(result.changes).toEqual([{ type: "inputs", ...key, inputs: { a: 1 } }]);
  });
});

describe("failQueued and skip", () => {
  it("end a queued step without a start", () => {
    const queued = step({ status: "queued", leaseToken: null });
    expect(types(apply({ kind: "skip", ...key, attempt: 1 }, run("q", "queued"), queued))).toEqual([
      "step.skipped",
      "run.succeeded",
    ]);
    const late = apply({ kind: "failQueued", ...key, attempt: 1, error }, run("q", "queued"), queued);
    expect(types(late)).toEqual(["step.failed", "run.failed"]);
  });
});

describe("suspend", () => {
  const waitingFor = { reason: "submit", detail: "submit of app a1" };
  const suspend: Transition = {
    kind: "suspend",
    ...key,
    token,
    hold: { dueMs: 60_000, waitingFor, inputs: {} },
  };
  const suspended = (values: Partial<StepState> = {}) => step({ status: "waiting", ...values });
  const afterwards = [{ id: "a" }, { id: "b", after: ["a"] }];

  it("has a running attempt wait without its worker's slot", () => {
    const result = apply(suspend);
    expect(types(result)).toEqual(["step.waiting", "run.waiting"]);
    expect(result.status).toBe("waiting");
    expect(result.changes).toEqual([
      { type: "hold", ...key, hold: { dueMs: 60_000, waitingFor, inputs: {} } },
    ]);
    expect(result.dispatches).toEqual([]);
  });

  it("leaves a run running while another of its steps does", () => {
    const result = apply(suspend, run("rr"), step(), [{ id: "a" }, { id: "b" }]);
    expect(types(result)).toEqual(["step.waiting"]);
    expect(result.status).toBe("running");
  });

  it("is refused with another's token, a second time, and after the end", () => {
    const stale = { reason: "stale" };
    expect(apply(suspend, run("r"), step({ leaseToken: "other" })).refusal).toEqual(stale);
    expect(apply(suspend, run("w", "waiting"), suspended()).refusal).toEqual(stale);
    expect(apply(suspend, run("c", "canceled")).refusal).toEqual({ reason: "ended" });
  });

  it("lets the token's holder end it, and the run go on in a new flow", () => {
    const result = apply(succeed, run("wp", "waiting"), suspended(), afterwards);
    expect(types(result)).toEqual(["step.succeeded", "step.queued"]);
    expect(result).toMatchObject({ status: "running", isNewFlow: true });
    expect(result.dispatches).toEqual([{ stepIndex: 1, itemIndex: -1, attempt: 1, delayMs: 0 }]);
    const other = { ...succeed, token: "other" } as Transition;
    expect(apply(other, run("wp", "waiting"), suspended(), afterwards).refusal).toEqual({ reason: "stale" });
  });

  it("lets it fail, be lost with its worker, and be given back", () => {
    expect(types(apply(fail, run("w", "waiting"), suspended()))).toEqual(["step.failed", "run.failed"]);
    const lost = apply({ kind: "lose", ...key, token }, run("w", "waiting"), suspended());
    expect(lost).toMatchObject({ status: "running", isNewFlow: true });
    expect(lost.changes).toContainEqual(
      expect.objectContaining({ type: "queue", attempt: 2, lostCount: 1, releasedCount: 0 }),
    );
    const released = apply({ kind: "release", ...key, token }, run("w", "waiting"), suspended());
    expect(released.changes).toContainEqual(
      expect.objectContaining({ type: "queue", attempt: 2, lostCount: 0, releasedCount: 1 }),
    );
  });

  it("ends as a time-out when nobody has sent anything in time, and tries again where the policy says so", () => {
    const wake: Transition = { kind: "wake", ...key };
    expect(apply(wake, run("w", "waiting"), suspended()).refusal).toEqual({ reason: "stale" });
    const late = apply(wake, run("w", "waiting"), suspended({ isDue: true }));
    expect(types(late)).toEqual(["step.failed", "run.failed"]);
    expect(late.error).toMatchObject({ code: "timeout" });
    const retry = {
      maxAttempts: 2,
      backoff: "fixed",
      delaySeconds: 1,
      maxDelaySeconds: 1,
      jitter: false,
    } as const;
    const again = apply(wake, run("w", "waiting"), suspended({ isDue: true }), [{ id: "a", retry }]);
    expect(again.dispatches).toEqual([{ ...key, attempt: 2, delayMs: 1000 }]);
  });

  it("ends with its run when that is canceled", () => {
    const result = apply({ kind: "cancel" }, run("w", "waiting"), undefined);
    expect(types(result)).toEqual(["step.canceled", "run.canceled"]);
  });
});

describe("pause", () => {
  const asked = {
    roles: [],
    users: [],
    required: 1,
    allowSelfApproval: true,
    onExpiry: "reject" as const,
    decisions: [],
    grants: ["budget-2"],
  };
  const hold = { approval: asked, waitingFor: { reason: "budget", detail: "spent" }, inputs: {} };
  const pause: Transition = { kind: "pause", ...key, token, hold };
  const decide = (decision: "approve" | "reject"): Transition => ({
    kind: "decide",
    ...key,
    decision: { decision, userId: "u", name: "Ann", at: "2026-11-28T10:00:00.000Z" },
  });

  it("ends the attempt, and keeps what the step was granted before", () => {
    const before = { ...asked, grants: ["budget-1"] };
    const result = apply(pause, run("r"), step({ approval: before }));
    expect(types(result)).toEqual(["step.waiting", "run.waiting"]);
    expect(result.status).toBe("waiting");
    expect(result.changes).toMatchObject([
      { type: "hold", hold: { approval: { grants: ["budget-1", "budget-2"] } } },
    ]);
  });

  it("is refused to an attempt that is not the step's any more", () => {
    expect(apply(pause, run("r"), step({ leaseToken: "other" })).refusal).toEqual({ reason: "stale" });
  });

  it("lets the step begin anew once it is approved, in a flow of its own, without a charge", () => {
    const waiting = step({ status: "waiting", leaseToken: null, approval: asked });
    const result = apply(decide("approve"), run("w", "waiting"), waiting);
    expect(types(result)).toEqual(["step.retrying"]);
    expect(result).toMatchObject({ status: "running", isNewFlow: true });
    expect(result.dispatches).toEqual([{ ...key, attempt: 2, delayMs: 0 }]);
    expect(result.changes).toMatchObject([
      { type: "approval", approval: { grants: ["budget-2"], decisions: [{ decision: "approve" }] } },
      { type: "archive", attempt: 1 },
      { type: "queue", attempt: 2, releasedCount: 1 },
    ]);
  });

  it("fails the step once it is rejected", () => {
    const waiting = step({ status: "waiting", leaseToken: null, approval: asked });
    const result = apply(decide("reject"), run("w", "waiting"), waiting);
    expect(types(result)).toEqual(["step.failed", "run.failed"]);
    expect(result.error).toMatchObject({ code: "rejected" });
  });
});
