import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import {
  type CopilotWorld,
  ofKind,
  patched,
  type RecordedStep,
  startCopilotWorld,
} from "../support/copilot-world.js";

let world: CopilotWorld;

const fail = (
  code: string,
  message: string,
  more: Partial<RecordedStep> & { details?: unknown } = {},
): RecordedStep => {
  const { details, ...rest } = more;
  return {
    status: "failed",
    error: { code, message, ...(details === undefined ? {} : { details }) },
    ...rest,
  };
};
const fetchStep = {
  id: "work",
  uses: "builtin:http",
  inputs: { url: { value: "https://api.example.com/" } },
};
const script = (more: object = {}) => ({ id: "work", uses: "mcp:script@1.0.0", ...more });
const traceback = (line: string) => [
  "Traceback (most recent call last):",
  '  File "/tmp/x/main.py", line 4, in main',
  line,
];

/** Each failure, what explains it, and what its patch does. */
const CASES: readonly (readonly [string, object, RecordedStep, string, object[] | undefined])[] = [
  [
    "a module that is not installed",
    script(),
    fail("script_error", "exit code 1", { logs: traceback("ModuleNotFoundError: No module named 'yaml'") }),
    "missing-module",
    [{ op: "add", path: "/requirements", value: ["PyYAML"] }],
  ],
  [
    "a time limit",
    script({ timeoutSeconds: 5 }),
    fail("timeout", "took longer than 5 s", { ms: 5_000 }),
    "timeout",
    [{ op: "replace", path: "/steps/0/timeoutSeconds", value: 10 }],
  ],
  [
    "too little memory",
    script(),
    fail("out_of_memory", "used more than 1024 MiB"),
    "out-of-memory",
    [{ op: "replace", path: "/memoryMb", value: 2_048 }],
  ],
  [
    "an input that main does not know",
    script({ inputs: { dat: { value: 1 } } }),
    fail("script_error", "TypeError: main() missing 1 required positional argument: 'date'"),
    "wrong-input",
    [{ op: "move", from: "/steps/0/inputs/dat", path: "/steps/0/inputs/date" }],
  ],
  [
    "an input that main does not know, in the words of what calls it",
    script({ inputs: { dat: { value: 1 } } }),
    fail("invalid_input", "main() lacks the input 'date'; main() takes no input 'dat'"),
    "wrong-input",
    [{ op: "move", from: "/steps/0/inputs/dat", path: "/steps/0/inputs/date" }],
  ],
  [
    "a value of another type",
    { id: "work", uses: "mcp:typed@1.0.0", inputs: { count: { input: "/count" } } },
    fail("invalid_input", "count must be string", { inputs: { count: 5 } }),
    "wrong-input",
    [{ op: "replace", path: "/steps/0/inputs/count", value: { expression: "$string(input.count)" } }],
  ],
  [
    "a server that fails",
    fetchStep,
    fail("upstream_error", "the server answered 503", { details: { status: 503 } }),
    "upstream",
    [
      {
        op: "add",
        path: "/steps/0/retry",
        value: { maxAttempts: 5, backoff: "exponential", delaySeconds: 2 },
      },
    ],
  ],
  [
    "a credential that is refused",
    fetchStep,
    fail("upstream_error", "answered 401", { details: { status: 401 } }),
    "upstream",
    undefined,
  ],
  [
    "code that throws",
    script(),
    fail("script_error", "exit code 1", { logs: traceback("KeyError: 'dat'"), inputs: { date: 1 } }),
    "script-error",
    undefined,
  ],
  [
    "an output that does not fit",
    script(),
    fail("invalid_output", "must be object"),
    "invalid-output",
    undefined,
  ],
  ["a worker that died", script(), fail("worker_lost", "its worker died"), "worker-lost", undefined],
];

describe("the copilot's diagnosis", () => {
  beforeAll(async () => {
    world = await startCopilotWorld();
    await world.addMcp("script");
    await world.addMcp("typed", {
      inputSchema: { type: "object", properties: { count: { type: "string" } } },
    });
  });
  afterAll(async () => await world.close());

  it.each(CASES)("explains %s", async (_name, step, outcome, kind, patch) => {
    const workflow = await world.store({ steps: [step] });
    const [runId = ""] = await world.record(workflow, [{ work: outcome }]);
    const answer = await world.ask("diagnose", { runId });
    const [found] = ofKind(answer, kind);
    expect(found).toMatchObject({ severity: "error", source: "analysis", evidence: { stepId: "work" } });
    expect(found?.evidence?.runIds).toContain(runId);
    expect(found?.patch).toEqual(patch);
    if (!found?.patch) return;
    if (found.target?.kind === "config") {
      expect(found.target.mcp).toBe("script@1.0.0");
      const version = await world.request({
        method: "GET",
        path: `/api/v1/mcp-versions/${found.target.mcpVersionId ?? ""}`,
      });
      const made = await world.request({
        method: "POST",
        path: "/api/v1/mcp-definitions/script/versions",
        body: { version: `2.0.${kind.length}`, config: patched(version.body["config"], found) },
      });
      expect(made.status).toBe(201);
    } else {
      const body = { definition: patched({ steps: [step] }, found) };
      const verdict = await world.request({
        method: "POST",
        path: "/api/v1/workflow-definitions/validate",
        body,
      });
      expect(verdict.body).toMatchObject({ valid: true });
    }
  });

  it("flags what installs a package, and quotes the line that tells, without secrets", async () => {
    const workflow = await world.store({ steps: [script()] });
    const logs = [
      "token ghp_abcdefghijklmnopqrstuvwxyz0123456789",
      ...traceback("ModuleNotFoundError: No module named 'pandas'"),
    ];
    const [runId] = await world.record(workflow, [{ work: fail("script_error", "exit code 1", { logs }) }]);
    const answer = await world.ask("diagnose", { runId });
    expect(ofKind(answer, "missing-module")[0]).toMatchObject({
      requiresReview: true,
      reviewReasons: ["installs the package pandas"],
      evidence: { quotes: [expect.stringContaining("No module named 'pandas'")] },
    });
    expect(JSON.stringify(answer)).not.toContain("ghp_");
  });

  it("says how steady a failure is by the runs before it", async () => {
    const workflow = await world.store({ steps: [script()] });
    const ids = await world.record(workflow, [
      { work: {} },
      { work: {} },
      { work: fail("script_error", "ValueError: no") },
    ]);
    const answer = await world.ask("diagnose", { runId: ids.at(-1) });
    expect(ofKind(answer, "script-error")[0]?.detail).toContain("1 of 3 executions failed");
  });

  it("says so when nothing failed, and 404 when there is no such run", async () => {
    const workflow = await world.store({ steps: [script()] });
    const [runId] = await world.record(workflow, [{ work: {} }]);
    expect((await world.ask("diagnose", { runId })).suggestions).toMatchObject([{ kind: "no-failure" }]);
    for (const unknown of [newId(), "nothing"]) {
      const answer = await world.request({
        method: "POST",
        path: "/api/v1/copilot/diagnose",
        body: { runId: unknown },
      });
      expect(answer.status).toBe(404);
    }
  });

  it("tells a narrowed API key no more of runs and definitions than its scopes do", async () => {
    const workflow = await world.store({ steps: [fetchStep] });
    const [runId] = await world.record(workflow, [{ work: fail("script_error", "exit code 1") }]);
    const statuses = async (scopes: string[]) => {
      const body = { name: "narrow", scopes };
      const made = await world.request({ method: "POST", path: "/api/v1/auth/api-keys", body });
      const authorization = `Bearer ${String(made.body["key"])}`;
      const ask = async (call: string, about: object) => {
        const path = `/api/v1/copilot/${call}`;
        const wanted = { method: "POST", path, body: { ...about, useModel: false }, as: null };
        return (await world.request({ ...wanted, headers: { authorization } })).status;
      };
      return [
        await ask("diagnose", { runId }),
        await ask("workflow-optimization", { workflow: workflow.name }),
        await ask("generate-workflow", { prompt: "fetch a page" }),
        await ask("schema-repair", { schema: {} }),
      ];
    };
    expect(await statuses(["copilot:use"])).toEqual([403, 403, 403, 200]);
    const all = ["copilot:use", "definition:read", "run:read", "secret:read", "connection:read"];
    expect(await statuses(all)).toEqual([200, 200, 200, 200]);
  });
});
