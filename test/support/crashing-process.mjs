// A process of the built program that dies by SIGKILL at one exact point between PostgreSQL and the queue.
// Argument: JSON of { point, environment, runs, group, count }.
//   run_insert   creates the runs; dies once they are committed, before anything is on the queue
//   job_publish  creates the runs; dies once their jobs are on the queue, having put them there twice
//   result_commit       works on a group; dies once `count` results are committed and what follows is enqueued
//   result_unpublished  works on a group; dies once `count` results are committed, nothing of which is enqueued
import { createLogger } from "../../dist/src/observability/logger.js";
import { loadSettings } from "../../dist/src/config/load-settings.js";
import { openPlatform } from "../../dist/src/container.js";
import { startWorker } from "../../dist/workers/worker.js";

const { point, environment, runs = [], group, count } = JSON.parse(process.argv[2]);
const settings = loadSettings({ environment });
const logger = createLogger({ level: settings.LOG_LEVEL, name: point });
const platform = await openPlatform({ settings, databaseUrl: settings.DATABASE_URL, logger, role: "worker" });
const { engine, runQueue } = platform;
const die = () => process.kill(process.pid, "SIGKILL");
const never = () => new Promise(() => undefined);
let seen = 0;

switch (point) {
  case "run_insert":
    engine.onCommitted(die);
    break;
  case "job_publish": {
    const enqueueRuns = runQueue.enqueueRuns.bind(runQueue);
    runQueue.enqueueRuns = async (...call) => {
      await enqueueRuns(...call);
      await enqueueRuns(...call);
      die();
    };
    break;
  }
  case "result_commit": {
    const apply = engine.commit.apply.bind(engine.commit);
    engine.commit.apply = async (...call) => {
      const outcome = await apply(...call);
      if (call[2].kind !== "succeed") return outcome;
      seen += 1;
      if (seen === count) die();
      return await never(); // so that no job is acknowledged
    };
    break;
  }
  case "result_unpublished": {
    const enqueueRuns = runQueue.enqueueRuns.bind(runQueue);
    runQueue.enqueueRuns = async (dispatches) => {
      const isOwn = ({ steps }) => steps.some(({ workerGroup }) => workerGroup === group);
      // its reconciler finds what the other processes have left behind
      if (!dispatches.some(isOwn)) return await enqueueRuns(dispatches);
      seen += dispatches.filter(isOwn).length;
      if (seen === count) die();
      return await never();
    };
    break;
  }
  default:
    throw new Error(`no such point: ${point}`);
}

if (group) await startWorker(platform, { groups: [group], concurrency: count, version: "test" });
else await Promise.all(runs.map((run) => engine.commit.create(run)));
