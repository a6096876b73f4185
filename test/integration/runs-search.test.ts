import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { createBulkOperations } from "../../src/services/bulk-operations/bulk-operations.js";
import { listRuns } from "../../src/services/runs/list-runs.js";
import { saveRun } from "../support/build-run.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

describe("runs found by a text", () => {
  let database: TestDatabase;
  const idOf: Record<string, string> = {};

  async function save(called: string, workflow: string, run: object = {}) {
    const { knex } = database;
    const known = await knex("workflow_definitions").first("id").where("name", workflow);
    const workflowId = (known?.id as string | undefined) ?? newId();
    if (!known) await knex("workflow_definitions").insert({ id: workflowId, name: workflow });
    const saved = await saveRun(knex, {
      run: { workflow_id: workflowId, workflow_name: workflow, status: "succeeded", ...run },
    });
    idOf[called] = saved.id;
  }
  beforeAll(async () => {
    database = await createTestDatabase();
    const labels = (given: object) => ({ labels: JSON.stringify(given) });
    const fails = (message: string) => ({
      status: "failed",
      error: JSON.stringify({ code: "script_error", message }),
    });
    await save("plain", "daily-revenue");
    await save("labelled", "daily-revenue", labels({ env: "production", region: "São Paulo" }));
    await save("timeout", "daily-revenue", fails("Timeout: db.example.com:5432 did not answer within 30s"));
    await save("other", "Nightly.sync", fails("KeyError: 'crème'"));
    await save("long", "nightly-clean", fails(`${"x".repeat(100_000)} needle`));
    await save("quoted", "nightly-clean", labels({ note: `it's "50%" \\ done & | ! <-> :* (` }));
  });
  afterAll(async () => await database.drop());

  const find = async (q: string, more: object = {}) => {
    const { items } = await listRuns(database.knex, { q, ...more }, { limit: 50 });
    const known = new Map(Object.entries(idOf).map(([name, id]) => [id, name]));
    return items.map(({ id }) => known.get(id));
  };

  it.each([
    ["a workflow's name", "daily-revenue", ["timeout", "labelled", "plain"]],
    ["the beginning of a word of it", "rev", ["timeout", "labelled", "plain"]],
    ["another case", "NIGHTLY", ["quoted", "long", "other"]],
    ["a label's value", "production", ["labelled"]],
    ["a label as it is written", "env:prod", ["labelled"]],
    ["letters beyond ASCII", "são", ["labelled"]],
    ["a word of the error", "keyerror", ["other"]],
    ["a part of a host in the error", "example", ["timeout"]],
    ["a number in the error", "5432", ["timeout"]],
    ["words of different places", "revenue timeout", ["timeout"]],
    ["words in any order", "answer daily", ["timeout"]],
    ["the middle of a word", "evenue", []],
    ["words that no run has together", "nightly timeout", []],
    ["nothing that is a word", "%_ -- '", []],
    ["what would be syntax", "50% & ! <-> :* ( it's", ["quoted"]],
  ])("finds %s: %s", async (_what, q, called) => {
    expect(await find(q)).toEqual(called);
  });

  it("finds a run by the beginning of its id, with hyphens and without", async () => {
    const id = idOf["plain"] ?? "";
    expect(await find(id)).toEqual(["plain"]);
    expect(await find(id.slice(0, 35).toUpperCase())).toContain("plain");
    expect(await find(id.replaceAll("-", "").slice(0, 30))).toContain("plain");
    expect(await find(id.slice(0, 5))).toEqual([]);
  });

  it("finds a new run by the end of its id, which is what lists show of it", async () => {
    const end = (idOf["plain"] ?? "").slice(-8);
    expect(await find(end)).toEqual(["plain"]);
    expect(await find(` ${end.toUpperCase()} `)).toEqual(["plain"]);
    expect(await find(end.slice(1))).toEqual([]);
    expect(await find(end, { status: "failed" })).toEqual([]);
  });

  it("stands beside other filters", async () => {
    expect(await find("daily", { status: "failed" })).toEqual(["timeout"]);
    expect(await find("daily", { workflow: "Nightly.sync" })).toEqual([]);
    expect(await find("daily", { label: [{ name: "env", value: "production" }] })).toEqual(["labelled"]);
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect(await find("daily", { createdAfter: later })).toEqual([]);
  });

  it("gives page after page, each run once", async () => {
    const ids: string[] = [];
    for (let cursor: string | undefined, page = 0; page < 10; page += 1) {
      const found = await listRuns(database.knex, { q: "daily" }, { limit: 1, cursor });
      ids.push(...found.items.map(({ id }) => id));
      if (!found.nextCursor) break;
      cursor = found.nextCursor;
    }
    expect(ids).toEqual([idOf["timeout"], idOf["labelled"], idOf["plain"]]);
  });

  it("narrows what is done to many runs, too: to nothing when there is no word in it", async () => {
    const audit = { record: async () => undefined };
    const bulk = createBulkOperations({ knex: database.knex, audit: audit as never });
    const actor = { type: "user", userId: newId(), name: "ann", role: "admin" } as const;
    const replay = async (q: string) =>
      await bulk.create(
        { action: "replay", filter: { q }, ratePerSecond: 1, limit: 100 },
        actor as never,
        {} as never,
      );
    expect((await replay("daily")).total).toBe(3);
    expect((await replay("daily timeout")).total).toBe(1);
    expect((await replay("--")).total).toBe(0);
  });
});
