import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type CopilotWorld,
  ofKind,
  patched,
  type RecordedStep,
  startCopilotWorld,
} from "../support/copilot-world.js";

let world: CopilotWorld;

const NUMBER = { type: "object", properties: { count: { type: "integer" } }, required: ["count"] };
const TEXT = { type: "object", properties: { count: { type: "string" } }, additionalProperties: false };
const fail = (code: string, ms = 10): RecordedStep => ({
  status: "failed",
  ms,
  error: { code, message: code },
});
const step = (id: string, more: object = {}) => ({ id, uses: "mcp:plain@1.0.0", ...more });
const repeat = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item);

interface Case {
  readonly definition: object;
  readonly runs?: readonly Readonly<Record<string, RecordedStep>>[];
}

/** For each kind, a workflow that has it and one that has not. */
const CASES: Readonly<
  Record<string, { readonly has: Case; readonly lacks: Case; readonly isPatchless?: true }>
> = {
  "sequential-steps": {
    has: {
      definition: { steps: [step("a"), step("b", { dependsOn: ["a"] })] },
      runs: repeat(3, { a: { ms: 4_000 }, b: { ms: 3_000 } }),
    },
    lacks: {
      definition: {
        steps: [step("a"), step("b", { dependsOn: ["a"], inputs: { x: { step: "a", output: "" } } })],
      },
      runs: repeat(3, { a: { ms: 4_000 }, b: { ms: 3_000 } }),
    },
  },
  "missing-retry": {
    has: { definition: { steps: [step("call")] }, runs: [{ call: {} }, { call: fail("upstream_error") }] },
    lacks: {
      definition: { steps: [step("call", { retry: { maxAttempts: 3 } })] },
      runs: [{ call: {} }, { call: fail("upstream_error") }],
    },
  },
  "missing-timeout": {
    has: {
      definition: { steps: [step("call")] },
      runs: [...repeat(4, { call: { ms: 2_000 } }), { call: fail("timeout", 600_000) }],
    },
    lacks: {
      definition: { steps: [step("call")] },
      runs: [...repeat(4, { call: { ms: 2_000 } }), { call: fail("script_error", 500) }],
    },
  },
  "short-timeout": {
    has: {
      definition: { steps: [step("call", { timeoutSeconds: 10 })] },
      runs: [...repeat(4, { call: { ms: 9_500 } }), { call: fail("timeout", 10_000) }],
    },
    lacks: {
      definition: { steps: [step("call", { timeoutSeconds: 10 })] },
      runs: [...repeat(4, { call: { ms: 500 } }), { call: fail("timeout", 10_000) }],
    },
  },
  "unused-output": {
    has: {
      definition: {
        outputs: { x: { step: "used", output: "" } },
        steps: [
          step("used"),
          { id: "loose", uses: "builtin:http", inputs: { url: { value: "https://example.com/" } } },
        ],
      },
    },
    lacks: {
      definition: { outputs: { x: { expression: "steps.used.output.x" } }, steps: [step("used")] },
    },
  },
  "cacheable-step": {
    has: {
      definition: { steps: [step("work", { inputs: { day: { value: 1 } } })] },
      runs: repeat(5, { work: { ms: 900, inputs: { day: 1 }, output: { sum: 3 } } }),
    },
    lacks: {
      definition: { steps: [step("work", { inputs: { day: { value: 1 } } })] },
      runs: [1, 2, 3, 4, 5].map((sum) => ({ work: { ms: 900, inputs: { day: 1 }, output: { sum } } })),
    },
  },
  "large-payload": {
    isPatchless: true,
    has: {
      definition: { steps: [step("load")] },
      runs: [{ load: { output: { text: "x".repeat(300_000) } } }],
    },
    lacks: {
      definition: { steps: [step("load")] },
      runs: [{ load: { output: { text: "x".repeat(3_000) } } }],
    },
  },
  "slow-step": {
    has: {
      definition: {
        steps: [step("list"), step("each", { forEach: { step: "list", output: "" }, maxParallel: 1 })],
      },
      runs: repeat(3, { list: { ms: 100 }, each: { ms: 9_000 } }),
    },
    lacks: {
      definition: { steps: [step("one"), step("two")] },
      runs: repeat(3, { one: { ms: 1_000 }, two: { ms: 1_000 } }),
    },
    isPatchless: true,
  },
  "schema-mismatch": {
    has: {
      definition: {
        steps: [
          { id: "count", uses: "mcp:gives-number@1.0.0" },
          {
            id: "show",
            uses: "mcp:takes-text@1.0.0",
            inputs: { count: { step: "count", output: "/count" } },
          },
        ],
      },
      runs: repeat(3, { count: { output: { count: 7 } }, show: {} }),
    },
    lacks: {
      definition: {
        steps: [
          { id: "count", uses: "mcp:gives-number@1.0.0" },
          {
            id: "show",
            uses: "mcp:takes-number@1.0.0",
            inputs: { count: { step: "count", output: "/count" } },
          },
        ],
      },
    },
  },
  "missing-error-handling": {
    has: {
      definition: { outputs: { x: { step: "work", output: "" } }, steps: [step("work"), step("tell")] },
      runs: [{ work: {}, tell: fail("script_error") }],
    },
    lacks: {
      definition: {
        outputs: { x: { step: "work", output: "" } },
        steps: [step("work"), step("tell", { onError: "continue" })],
        onFailure: [step("sorry")],
      },
      runs: [{ work: {}, tell: fail("script_error") }],
    },
  },
  "plain-secret": {
    has: {
      definition: {
        steps: [
          step("call", { inputs: { apiToken: { value: "ghp_abcdefghijklmnopqrstuvwxyz0123456789" } } }),
        ],
      },
    },
    lacks: {
      definition: {
        steps: [step("call", { inputs: { apiToken: { secret: "API_TOKEN" }, word: { value: "harmless" } } })],
      },
    },
  },
  "deprecated-component": {
    has: { definition: { steps: [{ id: "old", uses: "mcp:moved-on@1.0.0" }] } },
    lacks: { definition: { steps: [{ id: "new", uses: "mcp:moved-on@2.0.0" }] } },
  },
  "outdated-component": {
    has: { definition: { steps: [{ id: "old", uses: "mcp:moved-on@1.5.0" }] } },
    lacks: { definition: { steps: [{ id: "new", uses: "mcp:moved-on@2.0.0" }] } },
  },
};

describe("what analysis finds in a workflow", () => {
  beforeAll(async () => {
    world = await startCopilotWorld();
    await world.addMcp("plain");
    await world.addMcp("gives-number", { outputSchema: NUMBER });
    await world.addMcp("takes-text", { inputSchema: TEXT });
    await world.addMcp("takes-number", { inputSchema: NUMBER });
    await world.addMcp("moved-on");
    const config = { type: "python_script", code: "x = 1" };
    for (const version of ["1.5.0", "2.0.0"]) {
      await world.request({
        method: "POST",
        path: "/api/v1/mcp-definitions/moved-on/versions",
        body: { version, config },
      });
    }
    const { body } = await world.request({
      path: "/api/v1/mcp-definitions/moved-on/versions",
      method: "GET",
    });
    const old = (body["items"] as unknown as { id: string; version: string }[]).find(
      (one) => one.version === "1.0.0",
    );
    await world.request({ method: "POST", path: `/api/v1/mcp-versions/${old?.id ?? ""}/deprecate` });
    await world.request({ method: "PUT", path: "/api/v1/secrets/API_TOKEN", body: { value: "stored" } });
  });
  afterAll(async () => await world.close());

  const analyse = async ({ definition, runs = [] }: Case) => {
    const workflow = await world.store(definition);
    const runIds = await world.record(workflow, runs);
    return { answer: await world.ask("workflow-optimization", { workflow: workflow.name }), runIds };
  };

  it.each(Object.entries(CASES))(
    "%s, with a patch that validates, and not where there is none",
    async (kind, cases) => {
      const { answer, runIds } = await analyse(cases.has);
      const found = ofKind(answer, kind);
      expect(found.length).toBeGreaterThan(0);
      const patches = found.filter((one) => one.patch);
      if (cases.isPatchless !== true) expect(patches.length).toBeGreaterThan(0);
      for (const one of patches) {
        expect(one.target).toMatchObject({ kind: "definition", version: 1 });
        const definition = patched(cases.has.definition, one);
        const verdict = await world.request({
          method: "POST",
          path: "/api/v1/workflow-definitions/validate",
          body: { definition },
        });
        expect(verdict.body).toMatchObject({ valid: true, errors: [] });
      }
      if (runIds.length > 0) {
        const named = found.flatMap((one) => one.evidence?.runIds ?? []);
        for (const id of named) expect(runIds).toContain(id);
      }
      expect(answer.modelOutcome).toMatchObject({ state: "not_configured" });
      expect(ofKind((await analyse(cases.lacks)).answer, kind)).toEqual([]);
    },
  );

  it("estimates what running side by side saves by the recorded medians, and says so", async () => {
    const { answer, runIds } = await analyse(CASES["sequential-steps"]?.has as Case);
    expect(ofKind(answer, "sequential-steps")[0]).toMatchObject({
      estimate: { basis: "simulated", metric: "criticalPathMs", before: 7_000, after: 4_000, runs: 3 },
      evidence: { runIds: [...runIds].reverse() },
    });
  });

  it("tries a conversion on recorded outputs", async () => {
    const { answer } = await analyse(CASES["schema-mismatch"]?.has as Case);
    const [found] = ofKind(answer, "schema-mismatch");
    expect(found?.patch).toEqual([
      {
        op: "replace",
        path: "/steps/1/inputs/count",
        value: { expression: "$string(steps.count.output.count)" },
      },
    ]);
    expect(found?.estimate).toMatchObject({ basis: "replayed", before: 0, after: 3, runs: 3 });
  });

  it("finds a misspelt pointer by what was recorded, without any schema", async () => {
    const { answer } = await analyse({
      definition: {
        steps: [step("load"), step("use", { inputs: { rows: { step: "load", output: "/row" } } })],
      },
      runs: repeat(2, { load: { output: { rows: [1] } }, use: {} }),
    });
    expect(ofKind(answer, "schema-mismatch")[0]?.patch).toEqual([
      { op: "replace", path: "/steps/1/inputs/rows/output", value: "/rows" },
    ]);
  });

  it("shows no secret that it finds, and flags what reads one", async () => {
    const { answer } = await analyse(CASES["plain-secret"]?.has as Case);
    expect(JSON.stringify(answer)).not.toContain("ghp_abcdefgh");
    expect(ofKind(answer, "plain-secret")[0]).toMatchObject({
      severity: "error",
      requiresReview: true,
      reviewReasons: ["reads the secret API_TOKEN in the step call"],
      patch: [{ op: "replace", path: "/steps/0/inputs/apiToken", value: { secret: "API_TOKEN" } }],
    });
  });

  it("finds secrets in the components that a workflow uses", async () => {
    await world.addMcp("leaky", { config: { type: "python_script", code: 'PASSWORD = "hunter2hunter2"' } });
    const { answer } = await analyse({ definition: { steps: [{ id: "x", uses: "mcp:leaky@1.0.0" }] } });
    expect(ofKind(answer, "plain-secret")[0]?.title).toContain("leaky 1.0.0");
    expect(JSON.stringify(answer)).not.toContain("hunter2hunter2");
  });

  it("finds schedules that fire at once, and faster than a run lasts", async () => {
    const workflow = await world.store({ steps: [step("long")] });
    await world.record(workflow, repeat(3, { long: { ms: 300_000 } }));
    const schedule = async (name: string, cron: string) =>
      await world.request({
        method: "POST",
        path: "/api/v1/schedules",
        body: { name, workflow: workflow.name, cron, overlap: "allow" },
      });
    await schedule("nightly", "30 2 * * *");
    const calm = await world.ask("workflow-optimization", { workflow: workflow.name });
    expect(ofKind(calm, "schedule-clash")).toEqual([]);
    await schedule("also nightly", "30 2 * * *");
    await schedule("often", "* * * * *");
    const answer = await world.ask("workflow-optimization", { workflow: workflow.name });
    const found = ofKind(answer, "schedule-clash");
    expect(found.map(({ title }) => title)).toEqual(
      expect.arrayContaining([
        expect.stringContaining("often fires every 60 s, but a run takes 5 min"),
        expect.stringContaining("nightly and also nightly start this workflow in the same minute"),
      ]),
    );
    expect(found.find(({ patch }) => patch)?.patch?.[0]).toMatchObject({ op: "add", path: "/concurrency" });
    expect(found.find(({ title }) => title.startsWith("nightly and also"))?.call).toMatchObject({
      method: "PATCH",
      body: { cron: "37 2 * * *" },
    });
  });

  it("mends what is plainly wrong in a definition that is not valid, and names the rest", async () => {
    const definition = {
      steps: [
        step("load"),
        step("use", { depends_on: ["load"], inputs: { x: { step: "laod", output: "" } } }),
      ],
    };
    const answer = await world.ask("workflow-optimization", { definition });
    const [mending, ...listed] = ofKind(answer, "invalid-definition");
    expect(patched(definition, mending ?? {})).toEqual({
      steps: [
        step("load"),
        step("use", { dependsOn: ["load"], inputs: { x: { step: "load", output: "" } } }),
      ],
    });
    expect(listed.length).toBeGreaterThan(1);
    const hopeless = await world.ask("workflow-optimization", { definition: { steps: "none" } });
    expect(hopeless.suggestions.every((one) => one.patch === undefined)).toBe(true);
    expect(hopeless.suggestions.length).toBeGreaterThan(0);
  });

  it("judges a draft by the runs of its workflow", async () => {
    const workflow = await world.store({ steps: [step("call")] });
    await world.record(workflow, [{ call: fail("upstream_error") }]);
    const definition = { steps: [step("call"), step("more")] };
    const draft = await world.ask("workflow-optimization", { workflow: workflow.id, definition });
    expect(ofKind(draft, "missing-retry")[0]?.target).toMatchObject({
      workflow: workflow.name,
      version: null,
    });
  });

  it("is for editors, and names what is missing", async () => {
    const path = "/api/v1/copilot/workflow-optimization";
    const ask = async (body: object, as: "viewer" | "operator" | "editor" | null) =>
      (await world.request({ method: "POST", path, body, as })).status;
    expect(await ask({ workflow: "nothing" }, null)).toBe(401);
    expect(await ask({ workflow: "nothing" }, "viewer")).toBe(403);
    expect(await ask({ workflow: "nothing" }, "operator")).toBe(403);
    expect(await ask({ workflow: "nothing" }, "editor")).toBe(404);
    expect(await ask({}, "editor")).toBe(422);
    expect(await ask({ workflow: "x", surely: 1 }, "editor")).toBe(422);
  });
});
