import type { Knex } from "knex";
import { systemActor } from "../../src/core/actor.js";
import { openDatabase } from "../../src/models/database.js";
import { createLogger } from "../../src/observability/logger.js";
import { createDashboard } from "../../src/services/dashboard/dashboard.js";
import { createDashboardSummary } from "../../src/services/dashboard/summary.js";
import { createEntities } from "../../src/services/entities/entities.js";
import { createReadiness } from "../../src/services/health/readiness.js";
import { rollRunStats } from "../../src/services/run-stats/roll-run-stats.js";
import { createDependencyVisualizer } from "../../src/services/visualiser/dependency-visualizer.js";
import { generateRuns } from "../../bench/generate-runs.js";

const ROUNDS = 15;
const DAY_MS = 24 * 3600 * 1000;

/** What is measured, over how many runs. */
export interface ScaleOptions {
  /** A migrated database without rows. */
  readonly databaseUrl: string;
  readonly runs: number;
  readonly days: number;
}

/** Fills a database with ended runs, times the console's reads, and prints a table of medians and worst times. */
export async function main({ databaseUrl, runs, days }: ScaleOptions): Promise<void> {
  const knex = openDatabase({ url: databaseUrl, poolSize: 4, applicationName: "headrace-scale" });
  try {
    const began = performance.now();
    const { workflowIds } = await generateRuns(knex, runs, days);
    console.log(
      `${runs} runs over ${days} days, written in ${Math.round((performance.now() - began) / 1000)} s\n`,
    );
    const rolling = performance.now();
    while (await rollRunStats(knex));
    console.log(`taken into the statistics in ${Math.round((performance.now() - rolling) / 1000)} s\n`);
    console.log("| read | median ms | worst ms |\n| --- | --- | --- |");
    for (const [name, read] of Object.entries(await createReads(knex, workflowIds[0] ?? ""))) {
      await read();
      const times: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const start = performance.now();
        await read();
        times.push(performance.now() - start);
      }
      times.sort((one, other) => one - other);
      console.log(`| ${name} | ${times[Math.floor(ROUNDS / 2)]?.toFixed(1)} | ${times.at(-1)?.toFixed(1)} |`);
    }
  } finally {
    await knex.destroy();
  }
}

async function createReads(knex: Knex, workflowId: string): Promise<Record<string, () => Promise<unknown>>> {
  const runQueue = { countJobs: () => Promise.resolve([]) };
  const logger = createLogger({ level: "silent", name: "scale" });
  const readiness = createReadiness({ checks: [], onFailure: () => undefined });
  const dashboard = createDashboard({ knex, runQueue, logger, readiness });
  const entities = createEntities({ knex });
  const visualizer = createDependencyVisualizer({ knex });
  const actor = systemActor("scale");
  const [run] = (await knex("workflow_runs").select("id").orderBy("id").offset(1000).limit(1)) as {
    id: string;
  }[];
  const step = (await knex("step_runs")
    .first("id")
    .where("run_id", run?.id ?? "")) as { id: string };
  const series =
    (metric: "runs" | "failures" | "durationP95" | "queueDepth", days: number, bucket: string) =>
    async () => {
      const to = new Date();
      const from = new Date(to.getTime() - days * DAY_MS);
      return await dashboard.timeseries({ metric, from: from.toISOString(), to: to.toISOString(), bucket });
    };
  return {
    "dashboard/summary": async () => await createDashboardSummary({ knex, runQueue, logger })(),
    "dashboard/activity": async () => await dashboard.activity(50),
    "dashboard/system-health": dashboard.systemHealth,
    "timeseries runs, 24 h": series("runs", 1, "1h"),
    "timeseries failures, 24 h": series("failures", 1, "1h"),
    "timeseries durationP95, 24 h": series("durationP95", 1, "1h"),
    "timeseries queueDepth, 24 h": series("queueDepth", 1, "1h"),
    "timeseries runs, 7 d": series("runs", 7, "6h"),
    "timeseries durationP95, 7 d": series("durationP95", 7, "6h"),
    "timeseries runs, 30 d": series("runs", 30, "1d"),
    "timeseries durationP95, 30 d": series("durationP95", 30, "1d"),
    "timeseries queueDepth, 30 d": series("queueDepth", 30, "1d"),
    "entities/workflow_run/{id}": async () => await entities.get("workflow_run", run?.id ?? "", actor),
    "entities/step_run/{id}": async () => await entities.get("step_run", step.id, actor),
    "entities/workflow_run": async () => await entities.list("workflow_run", { limit: 50 }, actor),
    "graphs/workflows/{id}": async () => await visualizer.drawWorkflow(workflowId, { direction: "LR" }),
  };
}
