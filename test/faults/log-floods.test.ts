import { afterEach, describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { addFloodWorkflow } from "../support/log-flood.js";

const STEPS = 4;
const LINES_PER_SECOND = 5000;
const SECONDS = 30;

describe.each(FAULT_BACKENDS)(
  "F28: steps that write without pause, queues on $name",
  ({ name, hasRedis }) => {
    let world: FaultWorld;

    afterEach(async () => await world?.close());

    it(`${STEPS} steps write ${LINES_PER_SECOND} lines a second each for ${SECONDS} s`, async () => {
      world = await openFaultWorld({ hasRedis });
      const delayFile = join(world.dataDir, "event-loop.json");
      const [api, worker] = await Promise.all([
        world.spawn("api"),
        world.spawn("worker", { NODE_OPTIONS: `--import ${toModuleUrl(watchEventLoop(delayFile))}` }),
      ]);
      const flood = { linesPerSecond: LINES_PER_SECOND, seconds: SECONDS, width: 40 };
      await addFloodWorkflow(world, api.address, { name: "flood", steps: STEPS, ...flood });
      const started = await world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow: "flood" });
      expect(started.status).toBe(202);
      await eventually("its end", async () => !("running" in (await openStatuses())), 180_000);
      const { stored, dropped } = await countLines();
      const written = STEPS * LINES_PER_SECOND * SECONDS;
      const delay: { p99: number; max: number } = JSON.parse(readFileSync(delayFile, "utf8"));
      const attempts = await world.knex("step_runs").select("attempt", "status");
      const lockFaults = worker.output().match(/.*\block\b.*/gi) ?? [];
      recordFigures(
        "F28",
        name,
        `${written} lines written, ${stored} stored, ${dropped} counted as dropped; event loop of the worker p99 ${Math.round(delay.p99)} ms, longest ${Math.round(delay.max)} ms; ${lockFaults.length} faults of locks`,
      );
      expect(attempts).toEqual(attempts.map(() => ({ attempt: 1, status: "succeeded" })));
      expect({ written: stored + dropped, missing: await findMissing() }).toEqual({ written, missing: [] });
      expect(lockFaults).toEqual([]);
      expect(delay.p99).toBeLessThanOrEqual(100);
    }, 240_000);

    async function openStatuses(): Promise<Record<string, number>> {
      const { queued = 0, running = 0, ...ended } = await world.statuses();
      return queued + running > 0 ? { ...ended, running: queued + running } : ended;
    }

    /** Of each step, the first and last number of what is not there, and how many there are of it. */
    async function findMissing(): Promise<object[]> {
      const { rows } = await world.knex.raw(
        `SELECT step_id, min(n), max(n), count(*)
           FROM (SELECT step_id, n FROM step_runs, generate_series(0, :last ::int) AS n
                 EXCEPT
                 SELECT step_id, substring(line ->> 'message' FROM '^[0-9]+')::int
                   FROM run_events, jsonb_array_elements(data -> 'lines') AS line WHERE type = 'step.log') AS missing
          GROUP BY step_id`,
        { last: LINES_PER_SECOND * SECONDS - 1 },
      );
      return rows;
    }

    async function countLines(): Promise<{ stored: number; dropped: number }> {
      const { rows } = await world.knex.raw(
        `SELECT count(*) FILTER (WHERE line ->> 'stream' <> 'system') AS stored,
         COALESCE(sum(substring(line ->> 'message' FROM '^(\\d+) lines dropped')::int)
           FILTER (WHERE line ->> 'stream' = 'system'), 0) AS dropped
       FROM run_events, jsonb_array_elements(data -> 'lines') AS line WHERE type = 'step.log'`,
      );
      return { stored: Number(rows[0].stored), dropped: Number(rows[0].dropped) };
    }
  },
);

/** What a process does that writes down each half second how late its timers come. */
function watchEventLoop(file: string): string {
  return `
    import { writeFileSync } from "node:fs";
    import { monitorEventLoopDelay } from "node:perf_hooks";
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    if (process.argv.includes("worker")) setInterval(() => {
      const [p99, max] = [delay.percentile(99), delay.max].map((ns) => ns / 1e6 - 10);
      writeFileSync(${JSON.stringify(file)}, JSON.stringify({ p99, max }));
    }, 500).unref();`;
}

function toModuleUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
