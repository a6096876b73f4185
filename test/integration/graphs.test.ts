import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Impact, LaidOutWorkflow, Lineage } from "../../src/contracts/api/graphs.js";
import { newId } from "../../src/core/ids.js";
import { graphRoutes } from "../../src/http/routes/graphs.js";
import { createDependencyVisualizer } from "../../src/services/visualiser/dependency-visualizer.js";
import { saveRun } from "../support/build-run.js";
import {
  type DefinitionsServer,
  faultPaths,
  PYTHON_CONFIG,
  startDefinitionsServer,
} from "../support/definitions-server.js";

const NOBODY = "0193d5a1-7b1c-7000-8000-0000000000ff";
const rows = (item: object) => ({ type: "object", properties: { rows: { type: "array", items: item } } });
const ROW = { type: "object", properties: { id: { type: "integer" }, total: { type: "number" } } };

describe("graphs", () => {
  let server: DefinitionsServer;
  let extract: string;

  beforeAll(async () => {
    server = await startDefinitionsServer(({ knex }) =>
      graphRoutes({ visualizer: createDependencyVisualizer({ knex }) }),
    );
    await server.request({ method: "PUT", path: "/api/v1/secrets/SHOP_TOKEN", body: { value: "not shown" } });
    extract = await server.addMcp("extract", {
      inputSchema: { type: "object", properties: { day: { type: "string" } } },
      outputSchema: rows(ROW),
      secrets: ["SHOP_TOKEN"],
    });
    await server.addMcp("load");
    await addWorkflow("sales", {
      steps: [
        {
          id: "extract",
          name: 'Take <b>"all"</b>',
          uses: "mcp:extract@1.0.0",
          inputs: { day: { input: "/day" } },
        },
        { id: "load", uses: "mcp:load@1.0.0", inputs: { rows: { step: "extract", output: "/rows" } } },
        { id: "check", uses: "builtin:wait", dependsOn: ["load"], inputs: { seconds: { value: 1 } } },
        {
          id: "first",
          uses: "mcp:load@1.0.0",
          when: "steps.extract.output.rows[0].total > 1",
          inputs: { id: { expression: "steps.extract.output.rows.id" } },
        },
      ],
      outputs: { total: { step: "extract", output: "/rows/0/total" } },
      finally: [{ id: "tidy", uses: "mcp:load@1.0.0", inputs: { rows: { step: "load", output: "" } } }],
    });
  });
  afterAll(async () => await server.close());

  async function addWorkflow(name: string, definition: object): Promise<string> {
    const body = { name, definition: { inputs: { type: "object" }, ...definition } };
    const answer = await server.request({ method: "POST", path: "/api/v1/workflow-definitions", body });
    if (answer.status !== 201) throw new Error(answer.text);
    return String(answer.body["id"]);
  }
  async function get<Body>(path: string): Promise<Body> {
    const answer = await server.request({ as: "viewer", path: `/api/v1/graphs${path}` });
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.body as Body;
  }
  const addVersion = async (version: string, more: object) => {
    const path = "/api/v1/mcp-definitions/extract/versions";
    const answer = await server.request({
      method: "POST",
      path,
      body: { version, config: PYTHON_CONFIG, ...more },
    });
    if (answer.status !== 201) throw new Error(answer.text);
    return String(answer.body["id"]);
  };

  it("draws a workflow with places, labels and phases, twice the same", async () => {
    const graph = await get<LaidOutWorkflow>("/workflows/sales");
    expect(graph.nodes.map((node) => [node.id, node.type, node.data.phase])).toEqual([
      ["extract", "mcp", "main"],
      ["load", "mcp", "main"],
      ["check", "builtin", "main"],
      ["first", "mcp", "main"],
      ["tidy", "mcp", "finally"],
    ]);
    expect(graph.edges.map(({ id, label, data }) => [id, label, data.kind])).toEqual([
      ["extract->load", "rows ← /rows", "data"],
      ["load->check", "", "order"],
      ["extract->first", "id ← expression", "data"],
      ["load->tidy", "rows ← output", "read"],
    ]);
    const at = new Map(graph.nodes.map((node) => [node.id, node.position]));
    expect(at.get("extract")?.x).toBeLessThan(at.get("load")?.x ?? 0);
    expect(at.get("load")?.x).toBeLessThan(at.get("check")?.x ?? 0);
    const lowest = Math.max(...["extract", "load", "check", "first"].map((id) => at.get(id)?.y ?? 0));
    expect(at.get("tidy")?.y).toBeGreaterThan(lowest);
    expect(graph.nodes[0]?.data).toMatchObject({ entityType: "mcp_version", entityId: extract });
    // a visualiser that has drawn nothing yet comes to the same
    const other = createDependencyVisualizer({ knex: server.knex });
    expect(await other.drawWorkflow("sales", { direction: "LR" })).toEqual(graph);
    const down = await get<LaidOutWorkflow>("/workflows/sales?direction=TB");
    const downAt = new Map(down.nodes.map((node) => [node.id, node.position]));
    expect(downAt.get("extract")?.y).toBeLessThan(downAt.get("load")?.y ?? 0);
  });

  it("lays the states of a run over its own version", async () => {
    const version = await server
      .knex("workflow_versions")
      .first("id", "workflow_definition_id", "plan")
      .where("name", "sales");
    const { id } = await saveRun(server.knex, {
      plan: version.plan,
      states: "srppp",
      run: { workflow_id: version.workflow_definition_id },
    });
    await server.knex("workflow_runs").where("id", id).update({ workflow_version_id: version.id });
    await server
      .knex("step_runs")
      .where({ run_id: id, step_index: 1 })
      .update({ items_total: 9, items_ended: 4, items_failed: 1, started_at: new Date() });
    const graph = await get<LaidOutWorkflow>(`/workflows/sales?run=${id}`);
    expect(graph.nodes.map((node) => node.data.status)).toEqual([
      "succeeded",
      "running",
      "pending",
      "pending",
      "pending",
    ]);
    expect(graph.nodes[1]?.data.items).toEqual({ total: 9, ended: 4, failed: 1 });
    const lineage = await get<Lineage>(`/mcp-versions/${extract}/lineage?run=${id}`);
    expect(lineage.nodes.find((node) => node.type === "workflow_definition")?.data["status"]).toBe("running");
    expect(lineage.nodes.some((node) => node.id === `workflow_run:${id}`)).toBe(true);
    const others = [`/workflows/sales?run=${NOBODY}`, `/mcp-versions/${extract}/lineage?run=${NOBODY}`];
    for (const path of others) {
      expect((await server.request({ path: `/api/v1/graphs${path}` })).status).toBe(404);
    }
  });

  it("writes SVG and Mermaid in which no label becomes anything but text", async () => {
    const svg = await server.request({ path: "/api/v1/graphs/workflows/sales?format=svg" });
    expect(svg.headers["content-type"]).toBe("image/svg+xml; charset=utf-8");
    expect(svg.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(svg.text).toContain("Take &lt;b&gt;&quot;all&quot;&lt;/b&gt;");
    expect(svg.text).not.toContain("<b>");
    expect(svg.text.match(/<rect /g)).toHaveLength(6);
    const mermaid = await server.request({
      path: "/api/v1/graphs/workflows/sales?format=mermaid&direction=TB",
    });
    expect(mermaid.headers["content-type"]).toBe("text/plain; charset=utf-8");
    expect(mermaid.text.split("\n").slice(0, 2)).toEqual([
      "flowchart TB",
      '  n0["Take #60;b#62;#34;all#34;#60;/b#62;<br/>mcp:extract@1.0.0"]',
    ]);
    expect(mermaid.text).toContain('  n0 -->|"rows ← /rows"| n1');
    const lineage = await server.request({
      path: `/api/v1/graphs/mcp-versions/${extract}/lineage?format=svg`,
    });
    expect(lineage.text).toContain("<title>Lineage of extract@1.0.0</title>");
  });

  it("tells in a lineage what a version comes from, uses, and is used by", async () => {
    const next = await addVersion("1.1.0", {
      outputSchema: rows(ROW),
      inputSchema: { type: "object", properties: {} },
    });
    const prompt = {
      type: "llm_prompt",
      model: "m",
      userPromptTemplate: "x",
      tools: ["mcp:extract@1.0.0"],
    };
    await server.request({
      method: "POST",
      path: "/api/v1/mcp-definitions",
      body: { name: "asker", mcpType: "llm_prompt", version: { version: "1.0.0", config: prompt } },
    });
    await addWorkflow("caller", { steps: [{ id: "sub", uses: "workflow:sales@1" }] });
    const { id: workflowId } = await server.knex("workflow_definitions").first("id").where("name", "caller");
    await server
      .knex("schedules")
      .insert({ id: newId(), name: "nightly", workflow_id: workflowId, cron: "0 1 * * *" });
    const { nodes, edges } = await get<Lineage>(`/mcp-versions/${extract}/lineage`);
    const labels = new Map(nodes.map((node) => [node.id, `${node.type} ${node.data.label}`]));
    const drawn = edges.map((edge) => `${labels.get(edge.source)} → ${labels.get(edge.target)}`).sort();
    expect(drawn.filter((edge) => !edge.includes("workflow_run"))).toEqual([
      "mcp_version extract@1.0.0 → mcp_version asker@1.0.0",
      "mcp_version extract@1.0.0 → mcp_version extract@1.1.0",
      "mcp_version extract@1.0.0 → workflow_definition sales",
      "secret SHOP_TOKEN → mcp_version extract@1.0.0",
      "workflow_definition caller → schedule nightly",
      "workflow_definition sales → workflow_definition caller",
    ]);
    const change = edges.find((edge) => edge.target === `mcp_version:${next}`);
    expect(change?.data).toEqual({
      kind: "version",
      severity: "breaking",
      changes: ["/inputSchema/properties/day was removed", "secret SHOP_TOKEN was removed"],
    });
    expect(JSON.stringify(nodes)).not.toContain("not shown");
    const asker = await server.knex("mcp_versions").first("id").whereRaw("config ->> 'type' = 'llm_prompt'");
    const up = await get<Lineage>(`/mcp-versions/${asker.id}/lineage`);
    expect(up.edges.map((edge) => [edge.source, edge.data.kind])).toEqual([
      [`mcp_version:${extract}`, "tool"],
    ]);
  });

  it("names each edge that a change of schemas would break, and none that it would not", async () => {
    const path = `/api/v1/graphs/mcp-versions/${extract}/impact`;
    const judge = async (body: object) => {
      const answer = await server.request({ as: "viewer", method: "POST", path, body });
      expect(answer.status).toBe(200);
      const impact = answer.body as unknown as Impact;
      const breaks = impact.workflows.flatMap((workflow) => workflow.breaks);
      return { impact, broken: breaks.map((one) => [one.edgeId, one.path]) };
    };
    const gone = await judge({ outputSchema: { type: "object", properties: {} } });
    expect(gone.impact.severity).toBe("breaking");
    expect(gone.broken).toEqual([
      ["extract->load", "/steps/1/inputs/rows"],
      ["extract->first", "/steps/3/inputs/id"],
      ["extract->first", "/steps/3/when"],
      [null, "/outputs/total"],
    ]);
    const { total: _total, ...others } = ROW.properties;
    const part = await judge({ outputSchema: rows({ ...ROW, properties: others }) });
    // `id` is read by `first` and still there
    expect(part.broken).toEqual([
      ["extract->load", "/steps/1/inputs/rows"],
      ["extract->first", "/steps/3/when"],
      [null, "/outputs/total"],
    ]);
    expect(part.impact.workflows[0]?.breaks[0]?.message).toBe(
      "load reads /rows of extract, where rows.*.total was removed",
    );
    const more = { ...ROW, properties: { ...ROW.properties, note: { type: "string" } } };
    expect((await judge({ outputSchema: rows(more) })).broken).toEqual([]);
    const asked = await judge({
      inputSchema: { type: "object", properties: { day: { type: "integer" } }, required: ["shop"] },
    });
    expect(asked.broken).toEqual([
      [null, "/steps/0/inputs/day"],
      [null, "/steps/0/inputs"],
    ]);
    expect((await judge({})).impact).toMatchObject({ severity: "none", breakCount: 0 });
  });

  it("judges against the newest version unless another is named", async () => {
    const newest = await get<Impact>(`/mcp-versions/${extract}/impact`);
    expect(newest.to.version).toBe("1.1.0");
    expect(newest.prompts.map((prompt) => prompt.name)).toEqual(["asker"]);
    const same = await get<Impact>(`/mcp-versions/${extract}/impact?against=${extract}`);
    expect(same.severity).toBe("none");
    const foreign = await server
      .knex("mcp_versions")
      .first("id")
      .whereNot("version", "1.1.0")
      .whereNot("id", extract);
    const refused = await server.request({
      path: `/api/v1/graphs/mcp-versions/${extract}/impact?against=${foreign.id}`,
    });
    expect([refused.status, faultPaths(refused.body)]).toEqual([422, ["/against"]]);
  });

  it("answers 404 and 422 as the contract says", async () => {
    const status = async (path: string) => (await server.request({ path: `/api/v1/graphs${path}` })).status;
    expect(await status("/workflows/none")).toBe(404);
    expect(await status(`/workflows/${NOBODY}`)).toBe(404);
    expect(await status("/workflows/sales?version=99")).toBe(404);
    expect(await status("/workflows/sales?format=png")).toBe(422);
    expect(await status("/mcp-versions/x/lineage")).toBe(404);
    expect(await status(`/mcp-versions/${NOBODY}/lineage`)).toBe(404);
    expect(await status(`/mcp-versions/${NOBODY}/impact`)).toBe(404);
  });

  it.each([
    [1000, 1000],
    [5000, 2000],
  ])("draws %i steps within %i ms", async (count, mostMs) => {
    const steps = Array.from({ length: count }, (_, index) => ({
      id: `s${index}`,
      uses: "builtin:wait",
      inputs: { seconds: { value: 1 } },
      dependsOn: [index - 1, Math.floor(index / 2)]
        .filter((other, at, all) => other >= 0 && other < index && all.indexOf(other) === at)
        .map((other) => `s${other}`),
    }));
    await addWorkflow(`large-${count}`, { steps });
    const began = performance.now();
    const graph = await get<LaidOutWorkflow>(`/workflows/large-${count}`);
    const tookMs = performance.now() - began;
    expect(graph.nodes).toHaveLength(count);
    const places = new Set(graph.nodes.map((node) => `${node.position.x} ${node.position.y}`));
    expect(places.size).toBe(count);
    expect(tookMs).toBeLessThan(mostMs);
  });

  it("answers the lineage of a component that 50 workflows use in under 200 ms", async () => {
    const busy = await server.addMcp("busy");
    for (let index = 0; index < 50; index += 1) {
      const name = `user-${index}`;
      const id = await addWorkflow(name, { steps: [{ id: "only", uses: "mcp:busy@1.0.0" }] });
      const version = await server.knex("workflow_versions").first("id").where("workflow_definition_id", id);
      await server.knex("schedules").insert({ id: newId(), name, workflow_id: id, cron: "0 1 * * *" });
      for (let run = 0; run < 5; run += 1) {
        const saved = await saveRun(server.knex, { run: { workflow_id: id, status: "succeeded" } });
        await server.knex("workflow_runs").where("id", saved.id).update({ workflow_version_id: version.id });
      }
    }
    const times: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const began = performance.now();
      const lineage = await get<Lineage>(`/mcp-versions/${busy}/lineage`);
      times.push(performance.now() - began);
      const count = (type: string) => lineage.nodes.filter((node) => node.type === type).length;
      expect([count("workflow_definition"), count("schedule"), count("workflow_run")]).toEqual([50, 50, 20]);
    }
    const [, , , , median = Infinity] = times.sort((one, other) => one - other);
    expect(median).toBeLessThan(200);
  });
});
