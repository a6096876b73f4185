import { describe, expect, it } from "@jest/globals";
import { compilePlan, type PlanSource, type PlanSourceStep } from "./compile-plan.js";
import { lastSteps, type StepTarget } from "./plan.js";
import { buildPlanGraph } from "./workflow-graph.js";

const noop: StepTarget = { kind: "builtin", name: "noop" };

function step(id: string, rest: Partial<PlanSourceStep> = {}): PlanSourceStep {
  return { id, runAfter: "allSucceeded", onError: "fail", workerGroup: "default", priority: 0, ...rest };
}

function compile(
  steps: PlanSourceStep[],
  expressionSteps: [string, string[]][] = [],
  rest: Partial<PlanSource> = {},
) {
  const all = [...steps, ...(rest.onFailure ?? []), ...(rest.finally ?? [])];
  return compilePlan(
    { ...rest, steps },
    { targets: all.map(() => noop), expressionSteps: new Map(expressionSteps) },
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

  it("makes edges from what forEach and a cache key read", () => {
    const plan = compile(
      [
        step("rows"),
        step("day"),
        step("each", {
          forEach: { step: "rows", output: "/items" },
          maxParallel: 4,
          inputs: { name: { expression: "item.name" } },
          cache: { ttlSeconds: 60, key: "item.id & steps.day.output" },
        }),
        step("again", {
          forEach: { expression: "steps.each.output[ok]" },
          cache: { ttlSeconds: 5, key: undefined },
        }),
      ],
      [
        ["item.id & steps.day.output", ["day"]],
        ["steps.each.output[ok]", ["each"]],
      ],
    );
    expect(plan.steps.map((one) => one.dependencies)).toEqual([[], [], [0, 1], [2]]);
    expect(plan.steps[2]).toMatchObject({
      forEach: { step: "rows", output: "/items" },
      maxParallel: 4,
      cache: { ttlSeconds: 60, key: "item.id & steps.day.output" },
    });
    // a plan is compared with the one that is stored as JSON
    expect(JSON.parse(JSON.stringify(plan))).toStrictEqual(plan);
    expect(plan.steps[0]).not.toHaveProperty("forEach");
  });

  it("puts the phases behind one another: edges within them, reads of earlier ones", () => {
    const plan = compile(
      [step("a"), step("b", { dependsOn: ["a"] })],
      [["steps.a & steps.warn", ["a", "warn"]]],
      {
        onFailure: [
          step("warn", { inputs: { x: { step: "b", output: "" } } }),
          step("tell", { dependsOn: ["warn"] }),
        ],
        finally: [
          step("close", { dependsOn: ["open"], when: "steps.a & steps.warn" }),
          step("open", { forEach: { step: "a", output: "" } }),
        ],
      },
    );
    expect(plan.steps.map(({ id, index, phase }) => [id, index, phase])).toEqual([
      ["a", 0, undefined],
      ["b", 1, undefined],
      ["warn", 2, "onFailure"],
      ["tell", 3, "onFailure"],
      ["close", 4, "finally"],
      ["open", 5, "finally"],
    ]);
    expect(plan.steps.map((one) => one.dependencies)).toEqual([[], [0], [], [2], [5], []]);
    expect(plan.steps.map((one) => one.dependants)).toEqual([[1], [], [3], [], [], [4]]);
    expect(plan.steps.map((one) => one.reads)).toEqual([undefined, undefined, [1], undefined, [0, 2], [0]]);
    const { nodes, edges } = buildPlanGraph(plan);
    expect(nodes.map((node) => node.data.phase)).toEqual([
      "main",
      "main",
      "onFailure",
      "onFailure",
      "finally",
      "finally",
    ]);
    expect(edges.map((edge) => edge.id)).toEqual(["a->b", "warn->tell", "open->close"]);
    expect(lastSteps(plan).map((one) => one.id)).toEqual(["b"]);
  });

  it("keeps the rules for whole runs, without members that say nothing", () => {
    const plan = compile([step("a")], [], {
      concurrency: { limit: 1, key: "input.region", onConflict: "skip" },
      rateLimit: { limit: 2, seconds: 60, key: undefined },
      timeoutSeconds: 9,
    });
    expect(plan).toMatchObject({
      timeoutSeconds: 9,
      concurrency: { limit: 1, key: "input.region", onConflict: "skip" },
    });
    expect(plan.rateLimit).toStrictEqual({ limit: 2, seconds: 60 });
    expect(Object.keys(compile([step("a")]))).toEqual(["steps"]);
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
    const early = step("a", { inputs: { x: { step: "z", output: "" } } });
    expect(() => compile([early], [], { finally: [step("z")] })).toThrow(/later/);
    expect(() => compilePlan({ steps: [step("a")] }, { targets: [], expressionSteps: new Map() })).toThrow(
      /target/,
    );
  });
});
