import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { RunPlan } from "../../src/core/plan.js";
import { type DefinitionsServer, faultPaths, startDefinitionsServer } from "../support/definitions-server.js";

const PATH = "/api/v1/workflow-definitions";
const noop = (id: string, rest: object = {}) => ({ id, uses: "builtin:noop", ...rest });
const value = (one: unknown) => ({ value: one });
const child = (id: string, uses: string, rest: object = {}) => ({ id, uses: `workflow:${uses}`, ...rest });

describe("the definition side of control flow", () => {
  let server: DefinitionsServer;
  beforeAll(async () => {
    server = await startDefinitionsServer();
    await server.addMcp("load");
    const secret = { method: "PUT", path: "/api/v1/secrets/API_TOKEN", body: { value: "s3cret-value" } };
    await server.request(secret);
    await create("child", {
      inputs: { type: "object", properties: { date: { type: "string" }, n: {} }, required: ["date"] },
      steps: [noop("a")],
    });
  });
  afterAll(async () => {
    await server.close();
  });

  const send = async (method: string, path: string, body?: unknown) =>
    await server.request({ method, path, ...(body === undefined ? {} : { body }) });
  const create = async (name: string, definition: unknown, rest: object = {}) =>
    await send("POST", PATH, { name, definition, ...rest });
  const change = async (name: string, definition: unknown, rest: object = {}) =>
    await send("PATCH", `${PATH}/${name}`, { definition, ...rest });
  const validate = async (definition: unknown) => await server.workflows.validate(definition);
  const messagesOf = (answer: { body: { [name: string]: unknown } }) =>
    ((answer.body["errors"] ?? []) as { path: string; message: string }[]).map((fault) => fault.message);
  const planOf = async (name: string, version = 1) => {
    const row = await server.knex("workflow_versions").first("plan").where({ name, version });
    return row.plan as RunPlan;
  };

  describe("good ones", () => {
    it("are stored with the plan that the engine runs", async () => {
      const made = await create("everything", {
        concurrency: { limit: 2, key: "input.region" },
        rateLimit: { limit: 10, seconds: 60 },
        outputs: { closed: { step: "close", output: "" } },
        steps: [
          noop("rows"),
          {
            id: "each",
            uses: "mcp:load@1.0.0",
            forEach: { step: "rows", output: "/items" },
            maxParallel: 8,
            when: "steps.rows.output",
            inputs: { name: { expression: "item.name & itemIndex" } },
            cache: { ttlSeconds: 60, key: "item.id" },
          },
          child("nested", "child", { inputs: { date: { input: "/date" } }, dependsOn: ["each"] }),
          { id: "pause", uses: "builtin:wait", inputs: { seconds: value(0.5) } },
          { id: "until", uses: "builtin:wait", inputs: { until: { expression: "input.at" } } },
          { id: "at", uses: "builtin:wait", inputs: { until: value("2026-12-31T09:00:00+01:00") } },
          {
            id: "ask",
            uses: "builtin:approval",
            inputs: {
              message: value("Go on?"),
              form: value({ type: "object", properties: { n: { type: "integer" } } }),
              approvers: value({ roles: ["admin"], users: ["ann@localhost"], required: 2 }),
              allowSelfApproval: value(false),
              expiresInSeconds: value(60),
              onExpiry: value("fail"),
            },
          },
          {
            id: "call",
            uses: "builtin:http",
            inputs: {
              url: value("https://example.com/x"),
              headers: { expression: "{ 'A': 'b' }" },
              bearerToken: { secret: "API_TOKEN" },
            },
            cache: { ttlSeconds: 5 },
          },
        ],
        onFailure: [noop("tell", { inputs: { e: { expression: "steps.each.error" } } })],
        finally: [
          noop("close", { name: "Close it", inputs: { t: { step: "tell" } } }),
          noop("last", { dependsOn: ["close"] }),
        ],
      });
      expect(messagesOf(made)).toEqual([]);
      expect(made.status).toBe(201);
      const plan = await planOf("everything");
      expect(plan).toMatchObject({
        concurrency: { limit: 2, key: "input.region", onConflict: "queue" },
        rateLimit: { limit: 10, seconds: 60 },
      });
      expect(plan.steps.map(({ id, phase = "main" }) => `${phase} ${id}`)).toEqual([
        ...["rows", "each", "nested", "pause", "until", "at", "ask", "call"].map((id) => `main ${id}`),
        "onFailure tell",
        "finally close",
        "finally last",
      ]);
      expect(plan.steps[1]).toMatchObject({
        dependencies: [0],
        forEach: { step: "rows", output: "/items" },
        maxParallel: 8,
        cache: { ttlSeconds: 60, key: "item.id" },
      });
      expect(plan.steps[2]?.target).toMatchObject({ kind: "workflow", name: "child", version: 1 });
      expect(plan.steps.slice(8).map(({ dependencies, reads }) => [dependencies, reads])).toEqual([
        [[], [1]],
        [[], [8]],
        [[9], undefined],
      ]);
      const graph = (await send("GET", `${PATH}/everything/graph`)).body as unknown as {
        nodes: { id: string; type: string; data: { label: string; uses: string; phase: string } }[];
        edges: { id: string }[];
      };
      expect(graph.edges.map((edge) => edge.id)).toEqual(["rows->each", "each->nested", "close->last"]);
      expect(graph.nodes.find((node) => node.id === "nested")).toMatchObject({
        type: "workflow",
        data: { uses: "workflow:child@1", phase: "main" },
      });
      expect(graph.nodes.find((node) => node.id === "close")?.data).toMatchObject({
        label: "Close it",
        phase: "finally",
      });
    });

    it("pin the published version of a workflow, and another once it is made again", async () => {
      await create("moving", { steps: [noop("a")] });
      const definition = { steps: [child("a", "moving")] };
      await create("pinner", definition);
      await change("moving", { steps: [noop("b")] });
      await change("moving", { steps: [noop("c")] }, { draft: true });
      expect((await change("pinner", definition)).body["latestVersion"]).toBe(2);
      const versions = await Promise.all([1, 2].map((version) => planOf("pinner", version)));
      expect(versions.map((plan) => plan.steps[0]?.target)).toMatchObject([{ version: 1 }, { version: 2 }]);
    });

    it("warn of items that are never there, and of constants that are no items", async () => {
      const { valid, warnings } = await validate({
        outputs: { x: { expression: "item" } },
        steps: [
          noop("a", { when: "item.x", inputs: { y: { expression: "$string(itemIndex)" } } }),
          noop("b", { forEach: value("no array") }),
        ],
      });
      expect(valid).toBe(true);
      expect(warnings.map((warning) => warning.path).sort()).toEqual([
        "/outputs/x/expression",
        "/steps/0/inputs/y/expression",
        "/steps/0/when",
        "/steps/1/forEach/value",
      ]);
    });
  });

  describe("faulty ones", () => {
    const wait = (inputs?: object, rest: object = {}) => ({
      id: "w",
      uses: "builtin:wait",
      ...(inputs ? { inputs } : {}),
      ...rest,
    });
    const ask = (inputs: object, rest: object = {}) => ({
      id: "w",
      uses: "builtin:approval",
      inputs,
      ...rest,
    });
    const call = (inputs: object) => ({ id: "w", uses: "builtin:http", inputs });

    it.each<[string, object[], string[]]>([
      ["maxParallel alone", [noop("a", { maxParallel: 2 })], ["/maxParallel"]],
      ["no parallel at all", [noop("a", { forEach: value([]), maxParallel: 0 })], ["/maxParallel"]],
      ["a secret as items", [noop("a", { forEach: { secret: "API_TOKEN" } })], ["/forEach/secret"]],
      ["items of an unknown step", [noop("a", { forEach: { step: "gone" } })], ["/forEach/step"]],
      [
        "items of itself",
        [noop("a", { forEach: { expression: "steps.a.output" } })],
        ["/forEach/expression"],
      ],
      ["items of an item", [noop("a", { forEach: { expression: "item" } })], ["/forEach/expression"]],
      ["a condition on an item", [noop("a", { forEach: value([]), when: "$$.item = 1" })], ["/when"]],
      [
        "an item of another name",
        [noop("a", { forEach: value([]), inputs: { x: { expression: "items.x" } } })],
        ["/inputs/x/expression"],
      ],
      [
        "a bad cache key",
        [{ id: "a", uses: "mcp:load", cache: { ttlSeconds: 1, key: "steps.[" } }],
        ["/cache/key"],
      ],
      [
        "a cache key of an unknown step",
        [{ id: "a", uses: "mcp:load", cache: { ttlSeconds: 1, key: "steps.gone" } }],
        ["/cache/key"],
      ],
      [
        "a cache key with a secret",
        [{ id: "a", uses: "mcp:load", cache: { ttlSeconds: 1, key: "secrets.X" } }],
        ["/cache/key"],
      ],
      ["a cached no-op", [noop("a", { cache: { ttlSeconds: 1 } })], ["/cache"]],
      [
        "a cached workflow",
        [child("a", "child", { inputs: { date: value("x") }, cache: { ttlSeconds: 1 } })],
        ["/cache"],
      ],
      ["a wait for nothing", [wait()], ["/inputs"]],
      [
        "a wait for two things",
        [wait({ seconds: value(1), until: value("2026-12-31T00:00:00Z") })],
        ["/inputs"],
      ],
      ["a wait for too long", [wait({ seconds: value(31_536_001) })], ["/inputs/seconds/value"]],
      ["a wait backwards", [wait({ seconds: value(-1) })], ["/inputs/seconds/value"]],
      ["a wait for text", [wait({ seconds: value("5") })], ["/inputs/seconds/value"]],
      ["a wait for no time", [wait({ until: value("2026-02-30T00:00:00Z") })], ["/inputs/until/value"]],
      ["a wait without a zone", [wait({ until: value("2026-02-03T00:00:00") })], ["/inputs/until/value"]],
      ["a wait for another input", [wait({ seconds: value(1), minutes: value(1) })], ["/inputs/minutes"]],
      ["a secret wait", [wait({ seconds: { secret: "API_TOKEN" } })], ["/inputs/seconds/secret"]],
      [
        "a wait that is tried again",
        [wait({ seconds: value(1) }, { retry: {}, cache: { ttlSeconds: 1 } })],
        ["/cache", "/retry"],
      ],
      ["an approval that is tried again", [ask({}, { retry: {} })], ["/retry"]],
      [
        "a bad form",
        [ask({ form: value({ properties: { n: { type: "nope" } } }) })],
        ["/inputs/form/value/properties/n/type"],
      ],
      ["a form that is none", [ask({ form: value(1) })], ["/inputs/form/value"]],
      [
        "approvers that are none",
        [ask({ approvers: value({ roles: ["boss"], users: ["nobody"], required: 0, team: "x" }) })],
        ["/roles/0", "/users/0", "/required", "/team"].map((part) => `/inputs/approvers/value${part}`).sort(),
      ],
      [
        "more approvals than approvers",
        [ask({ approvers: value({ users: ["a@b.c", "A@b.c"], required: 2 }) })],
        ["/inputs/approvers/value/required"],
      ],
      ["a secret message", [ask({ message: { secret: "API_TOKEN" } })], ["/inputs/message/secret"]],
      [
        "an approval with bad settings",
        [
          ask({
            onExpiry: value("maybe"),
            expiresInSeconds: value(0),
            allowSelfApproval: value("yes"),
            foo: value(1),
          }),
        ],
        [
          "/inputs/allowSelfApproval/value",
          "/inputs/expiresInSeconds/value",
          "/inputs/foo",
          "/inputs/onExpiry/value",
        ],
      ],
      [
        "a request without a URL",
        [call({ method: value("GET"), timeout: value(1) })],
        ["/inputs", "/inputs/timeout"],
      ],
      [
        "a request that cannot be",
        [call({ url: value("http://127.0.0.1/"), method: value("FLY"), headers: value({ "a b": "c" }) })],
        ["/inputs/headers/value/a b", "/inputs/method/value", "/inputs/url/value"],
      ],
      ["an unknown workflow", [child("a", "nobody")], ["/uses"]],
      ["an unknown version", [child("a", "child@9")], ["/uses"]],
      ["no version at all", [child("a", "child@1.0.0")], ["/uses"]],
      [
        "inputs that a workflow lacks",
        [child("a", "child@1", { inputs: { dat: value(1) } })],
        ["/inputs", "/inputs/dat"],
      ],
    ])("%s", async (_name, steps, paths) => {
      const { errors } = await validate({ steps });
      const expected = paths.map((path) => `/steps/0${path}`);
      expect(errors.map((fault) => fault.path).sort()).toEqual(expected);
    });

    it.each<[string, object, string[]]>([
      ["a key that reads a step", { concurrency: { limit: 1, key: "steps.a.output" } }, ["/concurrency/key"]],
      [
        "a key that reads the run",
        { rateLimit: { limit: 1, seconds: 1, key: "run.id" } },
        ["/rateLimit/key"],
      ],
      ["a key that is none", { rateLimit: { limit: 0, seconds: 1, key: "(" } }, ["/rateLimit/limit"]],
      [
        "a limit that is none",
        { concurrency: { limit: 0, onConflict: "drop" } },
        ["/concurrency/limit", "/concurrency/onConflict"],
      ],
      [
        "a main step that reads a later one",
        { steps: [noop("a", { inputs: { x: { step: "z" } } })], finally: [noop("z")] },
        ["/steps/0/inputs/x/step"],
      ],
      [
        "onFailure that reads finally",
        { onFailure: [noop("y", { when: "steps.z.output" })], finally: [noop("z")] },
        ["/onFailure/0/when"],
      ],
      [
        "dependsOn in another list",
        { finally: [noop("z", { dependsOn: ["a"] })] },
        ["/finally/0/dependsOn/0"],
      ],
      ["an id of another list", { onFailure: [noop("a")] }, ["/onFailure/0/id"]],
      [
        "a cycle in another list",
        { finally: [noop("y", { dependsOn: ["z"] }), noop("z", { when: "steps.y.status" })] },
        ["/finally/0", "/finally/1"],
      ],
      [
        "unknown things in another list",
        { onFailure: [{ id: "y", uses: "mcp:gone", inputs: { x: { step: "gone" } }, foo: 1 }] },
        ["/onFailure/0/foo", "/onFailure/0/inputs/x/step", "/onFailure/0/uses"],
      ],
      [
        "too many steps in another list",
        { finally: Array.from({ length: 101 }, (_, at) => noop(`z${at}`)) },
        ["/finally"],
      ],
    ])("%s", async (_name, rest, paths) => {
      const { errors } = await validate({ steps: [noop("a")], ...rest });
      expect(errors.map((fault) => fault.path).sort()).toEqual(paths);
    });

    it("are refused with every fault at once, whatever kind they are of", async () => {
      const answer = await create("faulty", {
        rateLimit: { limit: 1, seconds: 1, key: "run.id" },
        steps: [
          noop("a", { maxParallel: 2, bar: 1, forEach: { step: "gone" } }),
          child("b", "nobody"),
          wait({ seconds: value(-1) }),
        ],
        finally: [ask({ form: value({ type: "nope" }) }, { id: "z", dependsOn: ["a"] })],
      });
      expect(answer.status).toBe(422);
      expect(faultPaths(answer.body)).toEqual(
        [
          "/finally/0/dependsOn/0",
          "/finally/0/inputs/form/value/type",
          "/rateLimit/key",
          "/steps/0/bar",
          "/steps/0/forEach/step",
          "/steps/1/uses",
          "/steps/2/inputs/seconds/value",
        ].map((path) => `/definition${path}`),
      );
    });
  });

  describe("workflows in workflows", () => {
    it("never run drafts", async () => {
      await create("drafty", { steps: [noop("a")] }, { draft: true });
      const named = await create("uses-draft", { steps: [child("a", "drafty@1"), child("b", "drafty")] });
      expect(faultPaths(named.body)).toEqual(["/definition/steps/0/uses", "/definition/steps/1/uses"]);
      expect(messagesOf(named)).toEqual([
        expect.stringContaining("is a draft"),
        expect.stringContaining("has no published version"),
      ]);
      await send("POST", `${PATH}/drafty/versions/1/publish`);
      expect((await create("uses-draft", { steps: [child("a", "drafty@1")] })).status).toBe(201);
    });

    it("never run themselves, by however many steps in between", async () => {
      const own = await create("ring-a", { steps: [child("a", "ring-a")] });
      expect([faultPaths(own.body), messagesOf(own)]).toEqual([
        ["/definition/steps/0/uses"],
        [expect.stringContaining("ring-a → ring-a")],
      ]);
      await create("ring-a", { steps: [noop("a")] });
      await create("ring-b", { steps: [child("b", "ring-a")] });
      await create("ring-c", { steps: [noop("x")], finally: [child("c", "ring-b")] });
      const before = await server.knex("workflow_versions").count();
      for (const [uses, way] of [
        ["ring-a@1", "ring-a → ring-a"],
        ["ring-b", "ring-a → ring-b → ring-a"],
        ["ring-c@1", "ring-a → ring-c → ring-b → ring-a"],
      ] as const) {
        const answer = await change("ring-a", { steps: [noop("x"), child("a", uses)] });
        expect([answer.status, faultPaths(answer.body)]).toEqual([422, ["/definition/steps/1/uses"]]);
        expect(messagesOf(answer)[0]).toMatch(new RegExp(`${way}$`));
      }
      expect(await server.knex("workflow_versions").count()).toEqual(before);
    });

    it("nest ten deep and no deeper", async () => {
      await create("deep-0", { steps: [noop("a")] });
      for (let depth = 1; depth <= 10; depth += 1) {
        const made = await create(`deep-${depth}`, {
          steps: [child("a", `deep-${depth - 1}`), child("b", "deep-0")],
        });
        expect(made.status).toBe(201);
      }
      const refused = await create("deep-11", { steps: [child("a", "deep-10"), child("b", "deep-9")] });
      expect([refused.status, faultPaths(refused.body)]).toEqual([422, ["/definition/steps/0/uses"]]);
    });

    it("cannot be deleted while others use any version of them", async () => {
      await create("inner", { steps: [noop("a")] });
      await create("outer", { steps: [child("a", "inner")] });
      await change("outer", { steps: [noop("a")] });
      const refused = await send("DELETE", `${PATH}/inner`);
      expect(refused.status).toBe(409);
      expect(refused.body["detail"]).toContain("workflow outer (version 1)");
      expect((await send("GET", `${PATH}/inner`)).status).toBe(200);
      expect((await send("DELETE", `${PATH}/outer`)).status).toBe(204);
      expect((await send("DELETE", `${PATH}/inner`)).status).toBe(204);
    });

    it("survive a delete at the moment of use: one of the two is refused", async () => {
      for (let round = 0; round < 5; round += 1) {
        await create(`raced-${round}`, { steps: [noop("a")] });
        const [used, gone] = await Promise.all([
          create(`racer-${round}`, { steps: [child("a", `raced-${round}`)] }),
          send("DELETE", `${PATH}/raced-${round}`),
        ]);
        expect([
          [201, 409],
          [409, 204],
          [422, 204],
        ]).toContainEqual([used.status, gone.status]);
      }
    });
  });
});
