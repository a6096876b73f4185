import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { RunPlan } from "../../src/core/plan.js";
import {
  type DefinitionsServer,
  faultPaths,
  PYTHON_CONFIG,
  startDefinitionsServer,
} from "../support/definitions-server.js";
import { measureSlowness } from "../support/slowness.js";

const PATH = "/api/v1/workflow-definitions";
const noop = (id: string, rest: object = {}) => ({ id, uses: "builtin:noop", ...rest });

describe("workflow definitions over HTTP", () => {
  let server: DefinitionsServer;
  beforeAll(async () => {
    server = await startDefinitionsServer();
    await server.addMcp("load", {
      inputSchema: {
        type: "object",
        properties: { date: { type: "string" }, limit: {} },
        required: ["date"],
      },
    });
    await server.addMcp("sum");
    await server.request({
      method: "PUT",
      path: "/api/v1/secrets/API_TOKEN",
      body: { value: "s3cret-value" },
    });
  });
  afterAll(async () => {
    await server.close();
  });

  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    await server.request({ method, path, headers, ...(body === undefined ? {} : { body }) });
  const create = async (name: string, definition: unknown, rest: object = {}) =>
    await send("POST", PATH, { name, definition, ...rest });
  const validate = async (definition: unknown) => {
    const answer = await server.request({
      as: "viewer",
      method: "POST",
      path: `${PATH}/validate`,
      body: { definition },
    });
    expect(answer.status).toBe(200);
    return answer.body as unknown as {
      valid: boolean;
      errors: { path: string; message: string }[];
      warnings: { path: string; message: string }[];
      graph: { nodes: { id: string }[]; edges: { source: string; target: string }[] };
    };
  };
  const pathsOf = async (definition: unknown) =>
    (await validate(definition)).errors.map((fault) => fault.path).sort();

  const GOOD = {
    inputs: { type: "object", properties: { date: { type: "string", format: "date" } }, required: ["date"] },
    outputs: { total: { step: "total", output: "/sum" } },
    steps: [
      { id: "first", uses: "mcp:load@1.0.0", inputs: { date: { input: "/date" }, limit: { value: 100 } } },
      {
        id: "total",
        name: "Sum it up",
        uses: "mcp:sum",
        inputs: {
          rows: { step: "first", output: "/rows" },
          token: { secret: "API_TOKEN" },
          label: { expression: "steps.first.output.rows[0].name" },
        },
        when: "input.date > '2026-01-01'",
        retry: { maxAttempts: 5 },
      },
      noop("last", { dependsOn: ["total"], when: "$count(steps.first.output.rows) > 0" }),
    ],
  };

  describe("good ones", () => {
    it("are stored, compiled and published, and drawn", async () => {
      const made = await create("sales", GOOD, { description: "Daily sales", tags: ["daily"] });
      expect(made.status).toBe(201);
      expect(made.headers["location"]).toBe(`${PATH}/${made.body["id"]}`);
      expect(made.body).toMatchObject({
        name: "sales",
        latestVersion: 1,
        publishedVersion: 1,
        revision: 1,
        definition: GOOD,
      });
      const row = await server.knex("workflow_versions").first("plan").where("name", "sales");
      const { steps } = row.plan as RunPlan;
      expect(steps.map((step) => step.dependencies)).toEqual([[], [0], [0, 1]]);
      expect(steps[1]?.retry).toEqual({
        maxAttempts: 5,
        backoff: "exponential",
        delaySeconds: 1,
        maxDelaySeconds: 60,
        jitter: true,
      });
      expect(steps[0]?.retry.maxAttempts).toBe(1);
      expect(steps[1]?.target).toMatchObject({
        kind: "mcp",
        name: "sum",
        version: "1.0.0",
        mcpType: "python_script",
      });
      const graph = await send("GET", `${PATH}/sales/graph`);
      expect(graph.body).toMatchObject({
        nodes: [
          { id: "first", type: "mcp", data: { label: "first", uses: "mcp:load@1.0.0" } },
          { id: "total", type: "mcp", data: { label: "Sum it up", uses: "mcp:sum@1.0.0" } },
          { id: "last", type: "builtin" },
        ],
        edges: [
          { id: "first->total", source: "first", target: "total" },
          { source: "first", target: "last" },
          { source: "total", target: "last" },
        ],
      });
      expect((await send("GET", `${PATH}?q=daily&tag=daily`)).body["items"]).toHaveLength(1);
    });

    it("may be YAML, as 1.2 reads it", async () => {
      const yaml =
        "name: from-yaml\ndefinition:\n  steps:\n    - id: a\n      uses: builtin:noop\n      inputs: { x: { value: 1e3 }, y: { value: yes } }\n";
      const answer = await send("POST", PATH, yaml, { "content-type": "application/yaml" });
      expect(answer.status).toBe(201);
      const stored = answer.body["definition"] as unknown as { steps: { inputs: unknown }[] };
      expect(stored.steps[0]?.inputs).toEqual({ x: { value: 1000 }, y: { value: "yes" } });
    });

    it("make a version with each change, and go back to an older one", async () => {
      await create("versions", { steps: [noop("a")] });
      const two = await send(
        "PATCH",
        `${PATH}/versions`,
        { definition: { steps: [noop("b")] } },
        { "if-match": '"1"' },
      );
      expect(two.body).toMatchObject({ latestVersion: 2, publishedVersion: 2, revision: 2 });
      const draft = await send("PATCH", `${PATH}/versions`, {
        definition: { steps: [noop("c")] },
        draft: true,
      });
      expect(draft.body).toMatchObject({
        latestVersion: 3,
        publishedVersion: 2,
        definition: { steps: [noop("c")] },
      });
      const same = await send("PATCH", `${PATH}/versions`, {
        definition: { steps: [noop("c")] },
        draft: true,
      });
      expect(same.body).toMatchObject({ latestVersion: 3, publishedVersion: 2 });
      expect(
        (await send("PATCH", `${PATH}/versions`, { description: "x" }, { "if-match": '"1"' })).status,
      ).toBe(412);
      const back = await send("POST", `${PATH}/versions/versions/1/publish`);
      expect(back.body).toMatchObject({ latestVersion: 3, publishedVersion: 1 });
      const list = await send("GET", `${PATH}/versions/versions?limit=2`);
      expect(list.body["items"]).toMatchObject([
        { version: 3, isPublished: false, publishedAt: null },
        { version: 2, isPublished: false },
      ]);
      expect((await send("GET", `${PATH}/versions/versions/1`)).body).toMatchObject({
        isPublished: true,
        definition: { steps: [noop("a")] },
      });
      for (const number of ["0", "4", "x", "1.5"]) {
        expect((await send("GET", `${PATH}/versions/versions/${number}`)).status).toBe(404);
        expect((await send("POST", `${PATH}/versions/versions/${number}/publish`)).status).toBe(404);
      }
    });

    it("pin the newest release when the version is made, and another when it is made again", async () => {
      await server.addMcp("pinned");
      const definition = { steps: [{ id: "a", uses: "mcp:pinned" }] };
      await create("pins", definition);
      const next = { version: "1.1.0", config: PYTHON_CONFIG };
      await send("POST", "/api/v1/mcp-definitions/pinned/versions", next);
      const again = await send("PATCH", `${PATH}/pins`, { definition });
      expect(again.body["latestVersion"]).toBe(2);
      const rows = await server
        .knex("workflow_versions")
        .select("plan")
        .where("name", "pins")
        .orderBy("version");
      const versions = rows
        .map((row) => (row.plan as RunPlan).steps[0]?.target)
        .map((target) => target?.kind === "mcp" && target.version);
      expect(versions).toEqual(["1.0.0", "1.1.0"]);
    });

    it("have unique names, in a race as well, and leave nothing behind when they are refused", async () => {
      const answers = await Promise.all([1, 2].map(() => create("raced", { steps: [noop("a")] })));
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409]);
      expect(await server.knex("workflow_versions").where("name", "raced")).toHaveLength(1);
      expect((await create("refused", { steps: [] })).status).toBe(422);
      expect(await server.knex("workflow_definitions").where("name", "refused")).toEqual([]);
    });

    it("are changed by editors alone", async () => {
      for (const as of ["viewer", "operator"] as const) {
        const answer = await server.request({ as, method: "POST", path: PATH, body: { bad: 1 } });
        expect(answer.status).toBe(403);
        expect((await server.request({ as, path: `${PATH}/sales` })).status).toBe(200);
      }
    });
  });

  describe("faulty ones", () => {
    it("are refused with the faults of their own fields and of the definition at once", async () => {
      const definition = { steps: [{ id: "a", uses: "mcp:no-such@1.0.0" }] };
      const made = await create("Not a name", definition);
      expect([made.status, faultPaths(made.body)]).toEqual([422, ["/definition/steps/0/uses", "/name"]]);
      await create("to-be-changed", { steps: [noop("a")] });
      const changed = await send("PATCH", `${PATH}/to-be-changed`, { tags: "none", definition });
      expect([changed.status, faultPaths(changed.body)]).toEqual([
        422,
        ["/definition/steps/0/uses", "/tags"],
      ]);
    });

    it("are refused with every fault at once, under /definition", async () => {
      const answer = await create("faulty", {
        inputs: { type: "nope" },
        outputs: { x: { step: "gone", output: "/a" } },
        steps: [
          { id: "a", uses: "mcp:unknown", inputs: { t: { secret: "NOPE" } }, retry: { maxAttempts: 0 } },
          { id: "b", uses: "mcp:load@9.9.9", dependsOn: ["nobody"] },
          { id: "c", uses: "mcp:load", inputs: { dat: { value: 1 } } },
          { id: "c", uses: "builtin:noop", when: "input.[" },
        ],
      });
      expect(answer.status).toBe(422);
      expect(faultPaths(answer.body)).toEqual([
        "/definition/inputs/type",
        "/definition/outputs/x/step",
        "/definition/steps/0/inputs/t/secret",
        "/definition/steps/0/retry/maxAttempts",
        "/definition/steps/0/uses",
        "/definition/steps/1/dependsOn/0",
        "/definition/steps/1/uses",
        "/definition/steps/2/inputs",
        "/definition/steps/2/inputs/dat",
        "/definition/steps/3/id",
        "/definition/steps/3/when",
      ]);
    });

    it.each<[string, object[], string]>([
      ["dependsOn", [noop("a", { dependsOn: ["b"] }), noop("b", { dependsOn: ["a"] })], "a → b → a"],
      [
        "inputs",
        [noop("a", { inputs: { x: { step: "b" } } }), noop("b", { inputs: { x: { step: "a" } } })],
        "a → b → a",
      ],
      [
        "expressions",
        [
          noop("a", { when: "steps.b.output" }),
          noop("b", { inputs: { x: { expression: "steps.a.output" } } }),
        ],
        "a → b → a",
      ],
    ])("have no cycle through %s: each step on it is named, with its path", async (_name, steps, path) => {
      const { errors } = await validate({ steps: [...steps, noop("free")] });
      expect(errors.map((fault) => fault.path)).toEqual(["/steps/0", "/steps/1"]);
      expect(errors[0]?.message).toContain(path);
      expect(errors[1]?.message).toContain("b → a → b");
    });

    it.each<[string, object, string[]]>([
      [
        "a step that waits for itself",
        { steps: [noop("a", { dependsOn: ["a"] })] },
        ["/steps/0/dependsOn/0"],
      ],
      ["a step that reads itself", { steps: [noop("a", { when: "steps.a" })] }, ["/steps/0/when"]],
      [
        "ids that are none",
        { steps: ["__proto__", "constructor", "Run", "a".repeat(64), "1a"].map((id) => noop(id)) },
        ["/steps/0/id", "/steps/1/id", "/steps/2/id", "/steps/3/id", "/steps/4/id"],
      ],
      [
        "strange uses",
        {
          steps: ["mcp:../../x@1", "builtin:exec", "MCP:a", "workflow:sales@0", "x"].map((uses, at) => ({
            id: `s${at}`,
            uses,
          })),
        },
        ["/steps/0/uses", "/steps/1/uses", "/steps/2/uses", "/steps/3/uses", "/steps/4/uses"],
      ],
      [
        "bad pointers",
        {
          steps: [
            noop("a", {
              inputs: { p: { input: "rows" }, q: { input: "/a~2" }, r: { input: "/__proto__/x" } },
            }),
          ],
        },
        ["/steps/0/inputs/p/input", "/steps/0/inputs/q/input", "/steps/0/inputs/r/input"],
      ],
      [
        "no mapping",
        { steps: [noop("a", { inputs: { p: {}, q: 1, r: { input: "/a", step: "b" } } })] },
        ["/steps/0/inputs/p", "/steps/0/inputs/q", "/steps/0/inputs/r"],
      ],
      [
        "secrets outside inputs",
        {
          outputs: { t: { secret: "API_TOKEN" } },
          steps: [
            noop("a", { when: "secrets.API_TOKEN = 'x'", inputs: { e: { expression: "$$.secret.x" } } }),
          ],
        },
        ["/outputs/t/secret", "/steps/0/inputs/e/expression", "/steps/0/when"],
      ],
      ["unknown fields", { foo: 1, steps: [noop("a", { bar: 2 })] }, ["/foo", "/steps/0/bar"]],
      [
        "numbers out of bounds",
        {
          timeoutSeconds: 0,
          steps: [
            noop("a", { retry: { maxAttempts: 1e9, delaySeconds: -1, backoff: "x" }, timeoutSeconds: 0 }),
          ],
        },
        [
          "/steps/0/retry/backoff",
          "/steps/0/retry/delaySeconds",
          "/steps/0/retry/maxAttempts",
          "/steps/0/timeoutSeconds",
          "/timeoutSeconds",
        ],
      ],
      ["no steps", { steps: [] }, ["/steps"]],
      ["nothing", {}, ["/steps"]],
    ])("%s", async (_name, definition, paths) => {
      expect(await pathsOf(definition)).toEqual(paths);
    });

    it("that are no object at all", async () => {
      for (const definition of [null, [], "x", 12]) expect(await pathsOf(definition)).toEqual([""]);
      expect(faultPaths((await send("POST", PATH, { name: "nothing" })).body)).toEqual(["/definition"]);
    });

    it("are told of what has no effect yet", async () => {
      const { warnings } = await validate({ tool: true, steps: [noop("a")] });
      expect(warnings.map((warning) => warning.path)).toEqual(["/tool"]);
      expect((await validate({ tool: false, steps: [noop("a")] })).warnings).toEqual([]);
    });

    it("of apps: waitForSubmit is for them alone, and no result of theirs can be kept", async () => {
      await send("POST", "/api/v1/mcp-definitions", {
        name: "an-app",
        mcpType: "streamlit_app",
        version: {
          version: "1.0.0",
          config: { type: "streamlit_app", code: "x" },
          inputSchema: { type: "object", properties: {}, additionalProperties: false },
        },
      });
      const wait = { waitForSubmit: { value: true } };
      const app = { id: "b", uses: "mcp:an-app", inputs: wait };
      const { errors } = await validate({
        steps: [noop("a", { waitForSubmit: true }), { ...app, cache: { ttlSeconds: 60 } }],
      });
      expect(errors.map((fault) => fault.path).sort()).toEqual(["/steps/0/waitForSubmit", "/steps/1/cache"]);
      expect((await validate({ steps: [{ ...app, waitForSubmit: true }] })).errors).toEqual([]);
    });

    it("warn of what is likely a slip, and explain hyphens", async () => {
      const { valid, warnings } = await validate({
        ...GOOD,
        steps: [noop("a", { inputs: { x: { input: "/dat" } } })],
        outputs: {},
      });
      expect([valid, warnings.map((warning) => warning.path)]).toEqual([true, ["/steps/0/inputs/x/input"]]);
      const { errors } = await validate({
        steps: [noop("my-step"), noop("b", { when: "steps.my-step.output" })],
      });
      expect(errors[0]?.message).toContain("`my-step`");
    });

    it("as YAML: tags, bombs, duplicates and second documents are refused", async () => {
      const bomb = [
        "a: &a [x,x,x,x,x,x,x,x,x]",
        ..."bcdefghij"
          .split("")
          .map((name, at) => `${name}: &${name} [${`*${"abcdefghij"[at]},`.repeat(9)}]`),
      ].join("\n");
      for (const text of [
        "definition: !!js/function 'x'",
        bomb,
        "name: a\nname: b",
        "name: a\n---\nname: b",
        "\tname: a",
      ]) {
        const answer = await send("POST", PATH, text, { "content-type": "application/yaml" });
        expect(answer.status).toBe(422);
      }
    });
  });

  describe("for runs", () => {
    const actor = (role: "operator" | "editor") => ({ type: "user" as const, userId: null, name: "t", role });

    it("resolve to the published version, or the one that is named", async () => {
      await create("runnable", GOOD);
      const published = await server.workflows.resolveForRun("runnable", undefined, actor("operator"));
      expect(published).toMatchObject({ name: "runnable", version: 1, inputSchema: GOOD.inputs });
      await send("PATCH", `${PATH}/runnable`, { definition: { steps: [noop("a")] }, draft: true });
      const still = await server.workflows.resolveForRun(
        published.workflowId ?? "",
        undefined,
        actor("operator"),
      );
      expect(still.versionId).toBe(published.versionId);
      await expect(server.workflows.resolveForRun("runnable", 2, actor("operator"))).rejects.toMatchObject({
        code: "FORBIDDEN",
      });
      expect(await server.workflows.resolveForRun("runnable", 2, actor("editor"))).toMatchObject({
        version: 2,
        inputSchema: null,
      });
      await expect(server.workflows.resolveForRun("runnable", 999, actor("editor"))).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
      await expect(
        server.workflows.resolveForRun("nobody", undefined, actor("editor")),
      ).rejects.toMatchObject({ code: "NOT_FOUND" });
      await create("unpublished", { steps: [noop("a")] }, { draft: true });
      await expect(
        server.workflows.resolveForRun("unpublished", undefined, actor("editor")),
      ).rejects.toMatchObject({ code: "CONFLICT" });
    });

    it("have one version behind all test runs of a component", async () => {
      const id = await server.addMcp("tested", { inputSchema: { type: "object" } });
      const made = await Promise.all([1, 2, 3].map(() => server.workflows.ensureTestVersion(id)));
      expect(new Set(made.map((version) => version.versionId)).size).toBe(1);
      expect(made[0]).toMatchObject({ workflowId: null, name: "tested", inputSchema: { type: "object" } });
      const row = await server
        .knex("workflow_versions")
        .first("plan")
        .where("id", made[0]?.versionId ?? "");
      expect((row.plan as RunPlan).steps).toMatchObject([{ id: "test", wholeInput: true }]);
      expect((await send("DELETE", "/api/v1/mcp-definitions/tested")).status).toBe(204);
    });
  });

  it("are described in the OpenAPI document, with every kind of step input and component", async () => {
    const { body } = await send("GET", "/openapi.json");
    const { schemas } = body["components"] as unknown as { schemas: Record<string, object> };
    expect(schemas["WorkflowDefinitionBody"]).toMatchObject({
      type: "object",
      required: ["steps"],
      properties: { steps: { type: "array", items: { properties: { uses: { type: "string" } } } } },
    });
    expect(JSON.stringify(schemas["McpConfig"])).toContain("userPromptTemplate");
    expect(JSON.stringify(body["paths"])).toContain("#/components/schemas/WorkflowDefinitionBody");
  });

  describe("large ones", () => {
    /** By the processor's time, of which another test file beside this one takes none. */
    const timed = async (definition: unknown) => {
      const slowness = measureSlowness();
      const before = process.cpuUsage();
      const check = await server.workflows.validate(definition);
      const { user, system } = process.cpuUsage(before);
      return { check, ms: (user + system) / 1000 / slowness };
    };
    const layered = (count: number) =>
      Array.from({ length: count }, (_, at) =>
        at < 10
          ? noop(`s${at}`)
          : {
              id: `s${at}`,
              uses: at % 2 === 0 ? "mcp:sum" : "mcp:sum@1.0.0",
              dependsOn: [`s${at - 10}`, `s${at - 7}`],
              inputs: {
                x: { step: `s${at - 3}`, output: "/a" },
                y: { expression: `steps.s${at - 1}.output.n + ${at}` },
              },
            },
      );

    it.each([1000, 10_000])("of %i steps are judged within 2 s", async (count) => {
      const { check, ms } = await timed({ steps: layered(count) });
      expect(check.errors).toEqual([]);
      expect(check.graph.nodes).toHaveLength(count);
      expect(ms).toBeLessThan(2000);
    });

    it("with a cycle of 10,000 steps, 40,000 edges, or only faults are judged within 2 s", async () => {
      const ring = Array.from({ length: 10_000 }, (_, at) =>
        noop(`s${at}`, { dependsOn: [`s${(at + 1) % 10_000}`] }),
      );
      const cycle = await timed({ steps: ring });
      expect(cycle.check.errors[0]).toMatchObject({ path: "/steps/0" });
      expect(cycle.check.errors[0]?.message).toContain("s0 → s1 →");
      const dense = Array.from({ length: 1000 }, (_, at) =>
        noop(`s${at}`, {
          dependsOn: Array.from({ length: Math.min(at, 40) }, (_unused, back) => `s${at - 1 - back}`),
        }),
      );
      const edges = await timed({ steps: dense });
      expect(edges.check.errors).toEqual([]);
      const faults = await timed({ steps: ring.map((step) => ({ ...step, uses: "nope", foo: 1 })) });
      expect(faults.check.errors).toHaveLength(1001);
      for (const { ms } of [cycle, edges, faults]) expect(ms).toBeLessThan(2000);
    });

    it("beyond the limits are refused at once", async () => {
      const steps = Array.from({ length: 10_001 }, (_, at) => noop(`s${at}`));
      const tooMany = await timed({ steps });
      expect(tooMany.check.errors).toMatchObject([{ path: "/steps" }]);
      const ids = Array.from({ length: 2000 }, (_, at) => `s${at}`);
      const full = await timed({ steps: ids.map((id) => noop(id, { dependsOn: ids })) });
      expect(full.check.errors).toMatchObject([{ path: "/steps" }]);
      expect(tooMany.ms + full.ms).toBeLessThan(1000);
    });
  });
});
