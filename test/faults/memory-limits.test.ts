import { afterEach, expect, it } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import type { RoleProcess } from "../support/spawn-role.js";
import { watchMemory } from "../support/watch-memory.js";

const MIB = 1024 ** 2;
const MEMORY_MB = 256;

/** Code that takes memory until there is none left, and code that does nothing. */
const LANGUAGES = [
  {
    type: "python_script",
    greedy: "def main():\n    kept = []\n    while True:\n        kept.append(bytearray(16 << 20))\n",
    quiet: "def main():\n    return 1\n",
  },
  {
    type: "typescript_script",
    greedy:
      "export default () => { const kept: Buffer[] = []; for (;;) kept.push(Buffer.alloc(16 << 20, 1)); };",
    quiet: "export default () => 1;",
  },
];

let world: FaultWorld;

afterEach(async () => await world?.close());

it.each(LANGUAGES)(
  "F18: a $type that takes more than its memory",
  async ({ type, greedy, quiet }) => {
    world = await openFaultWorld({ hasRedis: false });
    const [api, worker] = await Promise.all([world.spawn("api"), world.spawn("worker")]);
    await addScript(api, { name: "quiet", type, code: quiet });
    await addScript(api, { name: "greedy", type, code: greedy });
    const memory = watchMemory(worker.pid);
    await run(api, "quiet");
    memory.noteBase();
    const ended = await run(api, "greedy");
    const after = await run(api, "quiet");
    const grownBytes = memory.stop();
    recordFigures(
      `F18 (${type})`,
      "PostgreSQL",
      `a step that takes memory without end, of which it may have ${MEMORY_MB} MiB, ended as ${ended.error?.code} after ${ended.tookMs} ms; the worker lived and ran the next step, and its own memory grew by ${Math.round(grownBytes / MIB)} MiB at most`,
    );
    expect(ended.error?.code).toBe("out_of_memory");
    expect(ended.tookMs).toBeLessThanOrEqual(5000);
    expect(grownBytes).toBeLessThanOrEqual(50 * MIB);
    expect(after.status).toBe("succeeded");
    expect(await world.knex("workers").select("pid")).toEqual([{ pid: worker.pid }]);
  },
  120_000,
);

async function addScript(
  { address }: RoleProcess,
  { name, type, code }: { name: string; type: string; code: string },
): Promise<void> {
  const config = { type, code, memoryMb: MEMORY_MB, timeoutSeconds: 60 };
  const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
    name,
    mcpType: type,
    version: { version: "1.0.0", config },
  });
  expect(made.status).toBe(201);
  await world.addWorkflow(address, name, [{ id: "step", uses: `mcp:${name}` }]);
}

/** Runs one to its end. */
async function run({ address }: RoleProcess, workflow: string) {
  const started = await world.call(address, "POST", "/api/v1/workflow-runs", { workflow });
  expect(started.status).toBe(202);
  const step = async () => await world.knex("step_runs").first().where({ run_id: started.body["id"] });
  await eventually(`the end of ${workflow}`, async () => Boolean((await step())?.finished_at), 60_000);
  const { status, error, started_at: from, finished_at: to } = await step();
  return {
    status: String(status),
    error: error as { code: string } | null,
    tookMs: Number(to) - Number(from),
  };
}
