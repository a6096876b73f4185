import { describe, expect, it } from "@jest/globals";
import { hasHeld, toText } from "../chaos/chaos-report.js";
import { type Evidence, judgeChaos } from "../chaos/chaos-verdict.js";
import { runChaos } from "../chaos/run-chaos.js";

/** Thirty runs and what recovers quickly; `npm run test:chaos` is the whole of it. */
describe("the chaos suite", () => {
  it("keeps every promise to thirty runs while API, scheduler and workers are ended", async () => {
    const kinds = ["killApi", "killScheduler", "drainWorker"] as const;
    const result = await runChaos("postgres", { seed: 5, runs: 30, seconds: 60, kinds });
    expect(hasHeld(result) ? "held" : toText(result)).toBe("held");
    expect(result.counts).toMatchObject({ started: 30 });
    expect(result.counts.executions).toBeGreaterThan(60);
    expect(result.blows.length).toBeGreaterThan(0);
  }, 240_000);

  it("sees runs that are lost, doubled and stuck, and executions and events that are not in order", () => {
    const run = (id: string, number: string, status: string) => ({
      ...{ id, number, status, version_id: "v", workflow_name: "w", workflow_id: "w", parent_run_id: null },
      ...{ parent_step_index: null, parent_item_index: null, replay_of: null, last_seq: 2, error: null },
      ...{
        step_states: status === "succeeded" ? "s" : "q",
        concurrency_key: "k",
        created_at: 0,
        admitted_at: 1,
      },
      ...{ finished_at: status === "succeeded" ? 9 : null, has_admission: false },
    });
    const step = (run_id: string, status: string) => ({
      ...{ run_id, step_index: 0, item_index: -1, step_id: "step0", status, attempt: 1, lost_count: 0 },
      ...{ has_lease: true, is_reused: false, kept_attempts: 0, started_at: 1, finished_at: 2 },
    });
    const event = (run_id: string, seq: number, type: string, step_id: string | null = null) => ({
      ...{ run_id, seq, type, step_id, item_index: null, attempt: null, is_reused: false },
    });
    const workflow = { expected: "succeeded" };
    const start = (number: number, runId: string) => ({ number, workflow, runId, isCanceled: false });
    const plan = {
      steps: [{ id: "step0", dependencies: [] }],
      concurrency: { limit: 1, onConflict: "queue" },
    };
    const { faults } = judgeChaos({
      rows: {
        runs: [run("a", "1", "succeeded"), run("b", "1", "succeeded"), run("c", "2", "queued")],
        steps: [step("a", "succeeded"), step("c", "queued")],
        events: [
          event("a", 1, "step.succeeded", "step0"),
          event("a", 3, "step.started", "step0"),
          event("b", 1, "run.failed"),
        ],
        plans: new Map([["v", plan]]),
        lostAttempts: [],
        starts: [],
      },
      load: { started: [start(1, "a"), start(2, "c"), start(3, "d")], reruns: [], rejected: new Set() },
      followers: [{ runId: "a", received: [], isDone: false }],
      sightings: [1, 2].map((at) => ({ runId: "a", stepId: "step0", itemIndex: -1, at })),
      blows: [],
    } as unknown as Evidence);
    const broken = Object.entries(faults).filter(([, found]) => found.length > 0);
    expect(broken.map(([name]) => name).sort()).toEqual(
      ["I1", "I3", "I7", "again", "doubled", "events", "followers", "lost", "slots", "stuck"].sort(),
    );
  });
});
