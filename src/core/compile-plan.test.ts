import { describe, expect, it } from "@jest/globals";
import { compilePlan, type PlanSourceStep } from "./compile-plan.js";
import type { StepTarget } from "./plan.js";
import { buildPlanGraph } from "./workflow-graph.js";

const noop: StepTarget = { kind: "builtin", name: "noop" };

function step(id: string, rest: Partial<PlanSourceStep> = {}): PlanSourceStep {
  return { id, runAfter: "allSucceeded", onError: "fail", workerGroup: "default", priority: 0, ...rest };
}

function compile(steps: PlanSourceStep[], expressionSteps: [string, string[]][] = []) {
  return compilePlan(
    { steps },
    { targets: steps.map(() => noop), expressionSteps: new Map(expressionSteps) },
  );
}

describe("compilePlan", () => {
  it("makes edges from dependsOn, inputs, when and expressions, each once", () => {
    const plan = compile(
      [
        step("a"),
        step("b"),
        step("c"),
        step("d", {
          dependsOn: ["a"],
          inputs: {
            x: { step: "a", output: "" },
            y: { expression: "steps.b.output" },
            z: { value: { step: "c" } },
          },
        }),
        step("e", { when: "steps.d.output > 1" }),
      ],
      [
        ["steps.b.output", ["b"]],
        ["steps.d.output > 1", ["d"]],
      ],
    );
    expect(plan.steps.map((one) => one.dependencies)).toEqual([[], [], [], [0, 1], [3]]);
    expect(plan.steps.map((one) => one.dependants)).toEqual([[3], [3], [], [4], []]);
    expect(buildPlanGraph(plan).edges.map((edge) => edge.id)).toEqual(["a->d", "b->d", "d->e"]);
  });

  it("tries a step once without retry, and as its policy says with it", () => {
    const retry = {
      maxAttempts: 3,
      backoff: "exponential",
      delaySeconds: 1,
      maxDelaySeconds: 60,
      jitter: true,
    } as const;
    const plan = compile([step("a"), step("b", { retry, timeoutSeconds: 5 })]);
    expect(plan.steps[0]?.retry.maxAttempts).toBe(1);
    expect(plan.steps[1]).toMatchObject({ retry, timeoutSeconds: 5 });
    expect(plan.steps[0]).not.toHaveProperty("timeoutSeconds");
  });

  it("refuses what was not checked", () => {
    expect(() => compile([step("a", { dependsOn: ["b"] })])).toThrow(/no step/);
    expect(() => compile([step("a", { dependsOn: ["b"] }), step("b", { dependsOn: ["a"] })])).toThrow(
      /cycle/,
    );
    expect(() => compilePlan({ steps: [step("a")] }, { targets: [], expressionSteps: new Map() })).toThrow(
      /target/,
    );
  });
});
