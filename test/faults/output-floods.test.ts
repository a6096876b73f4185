import { afterEach, expect, it } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { watchMemory } from "../support/watch-memory.js";

const MIB = 1024 ** 2;
const MAX_OUTPUT_BYTES = 10 * MIB;
const MAX_LOG_BYTES = 64 * MIB;

interface Flood {
  readonly name: string;
  readonly type: "python_script" | "typescript_script";
  readonly code: string;
  readonly isOverLog: boolean;
  readonly isOverOutput?: boolean;
}

const python = (name: string, body: string, isOverLog: boolean): Flood => ({
  name,
  type: "python_script",
  code: `import sys\ndef main():\n    ${body}\n`,
  isOverLog,
});
const FLOODS: readonly Flood[] = [
  python("bytes", `for _ in range(200 << 10): print("x" * 1023)`, true),
  python("line", `sys.stdout.write("x" * (50 << 20))`, false),
  python("lines", "for n in range(1_000_000): print(n)", true),
  { ...python("output", `return "x" * (20 << 20)`, false), isOverOutput: true },
  {
    name: "typescript-lines",
    type: "typescript_script",
    code: "export default () => { for (let n = 0; n < 1_000_000; n += 1) console.log(n); };",
    isOverLog: true,
  },
];

let world: FaultWorld;

afterEach(async () => await world?.close());

it("F27: 200 MiB, a line of 50 MiB, a million lines, an output of 20 MiB: capped, marked, little memory", async () => {
  world = await openFaultWorld({ hasRedis: false });
  const [api, worker] = await Promise.all([
    world.spawn("api"),
    world.spawn("worker", {
      MAX_OUTPUT_BYTES: String(MAX_OUTPUT_BYTES),
      MAX_LOG_BYTES: String(MAX_LOG_BYTES),
    }),
  ]);
  const quiet = python("quiet", "return 1", false);
  for (const flood of [quiet, ...FLOODS]) await addFlood(api.address, flood);
  const memory = watchMemory(worker.pid);
  await run(api.address, quiet.name);
  memory.noteBase();
  const kept: string[] = [];
  for (const flood of FLOODS) {
    const id = await run(api.address, flood.name);
    const { bytes, marks, dropped } = await readLog(id);
    kept.push(
      `${flood.name} ${Math.round(bytes / MIB)} MiB (${dropped} lines dropped, memory ${Math.round(memory.peak() / MIB)} MiB)`,
    );
    expect({ name: flood.name, marks }).toEqual({ name: flood.name, marks: flood.isOverLog ? 1 : 0 });
    expect(bytes).toBeLessThanOrEqual(MAX_LOG_BYTES);
    const { status, error } = await world.knex("workflow_runs").first().where({ id });
    expect(status).toBe(flood.isOverOutput ? "failed" : "succeeded");
    if (flood.isOverOutput) {
      expect(error.code).toBe("invalid_output");
      expect(error.message).toContain(String(MAX_OUTPUT_BYTES));
    }
  }
  const grownBytes = memory.stop();
  recordFigures(
    "F27",
    "PostgreSQL",
    `200 MiB of lines, a line of 50 MiB, a million lines (Python, TypeScript), an output of 20 MiB over a limit of 10: kept ${kept.join(", ")}, each truncated log with its mark; the output failed and named the limit; the worker's memory grew by ${Math.round(grownBytes / MIB)} MiB at most`,
  );
  expect(grownBytes).toBeLessThanOrEqual(150 * MIB);
}, 400_000);

async function addFlood(address: string, { name, type, code }: Flood): Promise<void> {
  const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
    name,
    mcpType: type,
    version: { version: "1.0.0", config: { type, code, timeoutSeconds: 200 } },
  });
  expect(made.status).toBe(201);
  await world.addWorkflow(address, name, [{ id: "flood", uses: `mcp:${name}` }]);
}

/** Runs one to its end. @returns its id. */
async function run(address: string, workflow: string): Promise<string> {
  const started = await world.call(address, "POST", "/api/v1/workflow-runs", { workflow });
  expect(started.status).toBe(202);
  const id = String(started.body["id"]);
  const row = () => world.knex("workflow_runs").first().where({ id });
  await eventually(`the end of ${workflow}`, async () => (await row()).finished_at !== null, 120_000);
  return id;
}

/** What was kept of a run's log, and how often it says that it is not whole. */
async function readLog(runId: string): Promise<{ bytes: number; marks: number; dropped: number }> {
  const { rows } = await world.knex.raw(
    `SELECT COALESCE(sum(length(line ->> 'message')), 0)::float8 AS bytes,
            count(*) FILTER (WHERE line ->> 'stream' = 'system' AND line ->> 'message' LIKE 'log truncated%')::int AS marks,
            COALESCE(sum(substring(line ->> 'message' FROM '^([0-9]+) lines dropped')::int)
              FILTER (WHERE line ->> 'stream' = 'system'), 0)::int AS dropped
       FROM run_events, jsonb_array_elements(data -> 'lines') AS line WHERE type = 'step.log' AND run_id = ?`,
    [runId],
  );
  return rows[0];
}
