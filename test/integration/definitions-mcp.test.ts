import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import {
  type DefinitionsServer,
  faultPaths,
  PYTHON_CONFIG,
  startDefinitionsServer,
} from "../support/definitions-server.js";

const PATH = "/api/v1/mcp-definitions";

describe("MCP definitions over HTTP", () => {
  let server: DefinitionsServer;
  beforeAll(async () => {
    server = await startDefinitionsServer();
  });
  afterAll(async () => {
    await server.close();
  });

  async function post(path: string, body: unknown) {
    return await server.request({ method: "POST", path, body });
  }
  async function auditCount(): Promise<number> {
    const [row] = await server.knex("action_logs").count("* as count");
    return Number(row?.["count"]);
  }

  describe("definitions", () => {
    it("are refused with the faults of their own fields and of their first version at once", async () => {
      const answer = await post(PATH, {
        name: "Not a name",
        mcpType: "cobol_script",
        version: {
          version: "1.2",
          config: { type: "cobol_script" },
          secrets: ["NO_SUCH"],
          inputSchema: { type: "objct" },
        },
      });
      expect(answer.status).toBe(422);
      expect(faultPaths(answer.body)).toEqual(
        expect.arrayContaining(["/name", "/mcpType", "/version/version", "/version/secrets/0"]),
      );
    });

    it("are made, read by id and by name, changed and deleted, each with an audit entry", async () => {
      const before = await auditCount();
      const made = await post(PATH, {
        name: "extract",
        mcpType: "python_script",
        tags: ["etl", "etl"],
        description: "Reads sales",
      });
      expect(made.status).toBe(201);
      expect(made.headers["location"]).toBe(`${PATH}/${made.body["id"]}`);
      expect(made.body).toMatchObject({
        name: "extract",
        tags: ["etl"],
        revision: 1,
        latestVersion: null,
        versionCount: 0,
      });
      const byName = await server.request({ path: `${PATH}/extract` });
      expect(byName.body).toEqual(made.body);
      const changed = await server.request({
        method: "PATCH",
        path: `${PATH}/extract`,
        headers: { "if-match": '"1"' },
        body: { tags: ["sales"] },
      });
      expect(changed.body).toMatchObject({ tags: ["sales"], description: "Reads sales", revision: 2 });
      const gone = await server.request({ method: "DELETE", path: `${PATH}/extract` });
      expect(gone.status).toBe(204);
      expect((await server.request({ path: `${PATH}/extract` })).status).toBe(404);
      expect(await auditCount()).toBe(before + 3);
    });

    it.each(["A", "1abc", "a", "a b", `a${"b".repeat(63)}`, "аbc", ""])(
      "refuse the name %j",
      async (name) => {
        const answer = await post(PATH, { name, mcpType: "python_script" });
        expect([answer.status, faultPaths(answer.body)]).toEqual([422, ["/name"]]);
      },
    );

    it("refuse an unknown type and unknown fields, and leave no row", async () => {
      expect(faultPaths((await post(PATH, { name: "bash", mcpType: "bash" })).body)).toEqual(["/mcpType"]);
      const assigned = await post(PATH, { name: "bash", mcpType: "python_script", createdBy: "x", id: "y" });
      expect(faultPaths(assigned.body)).toEqual(["/createdBy", "/id"]);
      expect(await server.knex("mcp_definitions").where("name", "bash")).toEqual([]);
    });

    it("have unique names, in a race as well", async () => {
      const body = { name: "racer", mcpType: "python_script" };
      const statuses = (await Promise.all([1, 2, 3].map(() => post(PATH, body)))).map(
        (answer) => answer.status,
      );
      expect(statuses.sort()).toEqual([201, 409, 409]);
    });

    it("judge If-Match", async () => {
      await server.addMcp("matched");
      const patch = async (match: string | undefined) =>
        (
          await server.request({
            method: "PATCH",
            path: `${PATH}/matched`,
            body: { description: "x" },
            ...(match === undefined ? {} : { headers: { "if-match": match } }),
          })
        ).status;
      expect(await patch('"0"')).toBe(412);
      expect(await patch(undefined)).toBe(200);
      expect(await patch("*")).toBe(200);
      expect(await patch("abc")).toBe(422);
      expect(await patch('"3"')).toBe(200);
      expect(await patch('"3"')).toBe(412);
    });

    it("say 404 before they judge a body", async () => {
      expect(
        (await server.request({ method: "PATCH", path: `${PATH}/nobody`, body: { nope: 1 } })).status,
      ).toBe(404);
      expect((await post(`${PATH}/nobody/versions`, {})).status).toBe(404);
      expect((await server.request({ path: `${PATH}/nobody/versions?limit=0` })).status).toBe(404);
    });

    it("are found by type, tag and words, in pages", async () => {
      for (const name of ["find-one", "find-two", "find-three"]) {
        await post(PATH, {
          name,
          mcpType: "llm_prompt",
          tags: ["found"],
          description: "Summarises the quarterly report",
        });
      }
      const list = async (query: string) => (await server.request({ path: `${PATH}?${query}` })).body;
      const names = (body: { [name: string]: unknown }) =>
        (body["items"] as { name: string }[]).map((item) => item.name);
      expect(names(await list("type=llm_prompt"))).toEqual(["find-three", "find-two", "find-one"]);
      expect(names(await list("tag=found&q=two"))).toEqual(["find-two"]);
      expect(names(await list("q=quart+report"))).toHaveLength(3);
      expect(names(await list(`q=${encodeURIComponent("' | !zzz:* <->")}`))).toEqual([]);
      const first = await list("tag=found&limit=2");
      const second = await list(`tag=found&limit=2&cursor=${String(first["nextCursor"])}`);
      expect([...names(first), ...names(second)]).toEqual(["find-three", "find-two", "find-one"]);
      expect(second["nextCursor"]).toBeNull();
      expect((await server.request({ path: `${PATH}?cursor=abc` })).status).toBe(422);
      expect(faultPaths((await server.request({ path: `${PATH}?type=bash` })).body)).toEqual(["/type"]);
    });

    it("may carry a first version, whose faults come with the rest", async () => {
      const body = {
        name: "with-version",
        mcpType: "python_script",
        version: { version: "1.0", config: { type: "python_script", foo: 1 } },
      };
      const refused = await post(PATH, body);
      expect(refused.status).toBe(422);
      expect(faultPaths(refused.body)).toEqual(
        expect.arrayContaining(["/version/config/foo", "/version/version"]),
      );
      expect((await server.request({ path: `${PATH}/with-version` })).status).toBe(404);
    });
  });

  describe("versions", () => {
    const version = { version: "1.0.0", config: PYTHON_CONFIG };
    beforeAll(async () => {
      await post(PATH, { name: "versioned", mcpType: "python_script" });
    });
    const add = async (body: object) => await post(`${PATH}/versioned/versions`, body);

    it("are stored once and for ever; the newest is the highest release that is not deprecated", async () => {
      const answers = [];
      for (const number of ["1.2.0", "1.10.0", "2.0.0-rc.1", "1.9.9"])
        answers.push(await add({ ...version, version: number }));
      expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201, 201]);
      const latest = async () => (await server.request({ path: `${PATH}/versioned` })).body["latestVersion"];
      expect(await latest()).toMatchObject({ version: "1.10.0" });
      const id = String(answers[1]?.body["id"]);
      for (const expected of [200, 200]) {
        const answer = await post(`/api/v1/mcp-versions/${id}/deprecate`, {});
        expect([answer.status, answer.body["isDeprecated"]]).toEqual([expected, true]);
      }
      expect(await latest()).toMatchObject({ version: "1.9.9" });
      const shown = await server.request({ path: `/api/v1/mcp-versions/${id}` });
      expect(shown.body).toMatchObject({ name: "versioned", mcpType: "python_script", version: "1.10.0" });
      expect(shown.body["config"]).toMatchObject({ timeoutSeconds: 600, memoryMb: 1024, network: true });
      const list = await server.request({ path: `${PATH}/versioned/versions` });
      expect((list.body["items"] as unknown as { version: string }[]).map((item) => item.version)).toEqual([
        "1.9.9",
        "2.0.0-rc.1",
        "1.10.0",
        "1.2.0",
      ]);
    });

    it("refuse a number that is taken, build metadata aside, in a race as well", async () => {
      expect((await add({ ...version, version: "1.2.0" })).status).toBe(409);
      expect((await add({ ...version, version: "1.2.0+build.7" })).status).toBe(409);
      const raced = await Promise.all([1, 2].map(() => add({ ...version, version: "7.0.0" })));
      expect(raced.map((answer) => answer.status).sort()).toEqual([201, 409]);
    });

    it.each(["1.2", "v1.0.0", "01.0.0", "1.0.0-", "", "latest"])("refuse the number %j", async (number) => {
      expect(faultPaths((await add({ ...version, version: number })).body)).toEqual(["/version"]);
    });

    it.each<[string, object, string[]]>([
      ["another type", { config: { type: "typescript_script", code: "1" } }, ["/config/type"]],
      ["an unknown field of config", { config: { ...PYTHON_CONFIG, foo: 1 } }, ["/config/foo"]],
      [
        "both at once",
        { config: { type: "typescript_script", code: "1", foo: 1 } },
        ["/config/foo", "/config/type"],
      ],
      ["no config", { config: undefined }, ["/config"]],
      ["a faulty schema", { inputSchema: { type: "objekt" } }, ["/inputSchema/type"]],
      [
        "an unknown secret and database",
        { secrets: ["NOPE"], externalDbConfigs: ["db"] },
        ["/externalDbConfigs/0", "/secrets/0"],
      ],
      [
        "limits out of bounds",
        { config: { ...PYTHON_CONFIG, timeoutSeconds: 0, memoryMb: 1 } },
        ["/config/memoryMb", "/config/timeoutSeconds"],
      ],
    ])("refuse %s, naming each fault", async (_name, change, paths) => {
      const answer = await add({ ...version, version: "3.0.0", ...change });
      expect([answer.status, faultPaths(answer.body)]).toEqual([422, paths]);
    });

    it("take secrets that are stored", async () => {
      const put = await server.request({
        method: "PUT",
        path: "/api/v1/secrets/API_TOKEN",
        body: { value: "s3cret-value" },
      });
      expect(put.status).toBe(201);
      const answer = await add({ ...version, version: "4.0.0", secrets: ["API_TOKEN"] });
      expect(answer.status).toBe(201);
      expect(answer.text).not.toContain("s3cret-value");
    });

    it("of prompts check their tools and their answer's schema", async () => {
      await post(PATH, { name: "prompt", mcpType: "llm_prompt" });
      const config = {
        type: "llm_prompt",
        model: "m",
        userPromptTemplate: "hi",
        tools: ["mcp:versioned@1.2.0", "mcp:none@1.0.0"],
        responseFormat: { type: "json_schema", schema: { type: "nope" } },
      };
      const answer = await post(`${PATH}/prompt/versions`, { version: "1.0.0", config });
      expect(faultPaths(answer.body)).toEqual(["/config/responseFormat/schema/type", "/config/tools/1"]);
    });
  });

  describe("deleting", () => {
    it("is refused with the users' names while a workflow refers to it, and done once none does", async () => {
      await server.addMcp("needed");
      const workflow = { name: "needs-it", definition: { steps: [{ id: "a", uses: "mcp:needed" }] } };
      expect((await post("/api/v1/workflow-definitions", workflow)).status).toBe(201);
      const refused = await server.request({ method: "DELETE", path: `${PATH}/needed` });
      expect(refused.status).toBe(409);
      expect(refused.text).toContain("needs-it");
      const gone = await server.request({ method: "DELETE", path: "/api/v1/workflow-definitions/needs-it" });
      expect(gone.status).toBe(204);
      expect((await server.request({ method: "DELETE", path: `${PATH}/needed` })).status).toBe(204);
    });

    it("is refused while a prompt has it as a tool", async () => {
      await server.addMcp("tool");
      const config = { type: "llm_prompt", model: "m", userPromptTemplate: "hi", tools: ["mcp:tool@1.0.0"] };
      const made = await post(PATH, {
        name: "tool-user",
        mcpType: "llm_prompt",
        version: { version: "1.0.0", config },
      });
      expect(made.status).toBe(201);
      const refused = await server.request({ method: "DELETE", path: `${PATH}/tool` });
      expect(refused.status).toBe(409);
      expect(refused.text).toContain("tool-user");
    });

    it("is no matter for whoever may only read or run", async () => {
      for (const as of ["viewer", "operator"] as const) {
        expect((await server.request({ as, method: "DELETE", path: `${PATH}/nobody` })).status).toBe(403);
        expect((await server.request({ as, method: "POST", path: PATH, body: { bad: 1 } })).status).toBe(403);
        expect((await server.request({ as, path: PATH })).status).toBe(200);
      }
      expect((await server.request({ as: null, path: PATH })).status).toBe(401);
    });
  });
});
