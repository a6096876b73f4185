import { randomUUID } from "node:crypto";
import { type FlowJob, FlowProducer, Queue } from "bullmq";
import { Redis } from "ioredis";
import type { Contender } from "./contender.js";
import { RUN_LIMIT_MS } from "./contender.js";
import { createPendingRuns } from "./pending-runs.js";
import { RAW_QUEUE, type RawJob, rawEndedChannel } from "./raw-queue.js";
import { startWorkerChild } from "./worker-child.js";
import type { Shape } from "./workloads.js";

/**
 * The floor: BullMQ flows of the same shapes, with a processor that does nothing, and nothing stored. The last step
 * is the flow's root, so there is no parent job without work, and a run of one step is a plain job. Its end is seen
 * by one small message per run, which costs less than BullMQ's own stream of every job's events.
 */
export async function openRawContender(options: {
  redisUrl: string;
  prefix: string;
  logFile: string;
}): Promise<Contender> {
  const { redisUrl, prefix } = options;
  const connection = { url: redisUrl, maxRetriesPerRequest: null };
  const worker = await startWorkerChild({
    program: "raw-worker.js",
    environment: { BENCH_REDIS_URL: redisUrl, BENCH_PREFIX: prefix },
    logFile: options.logFile,
  });
  const queue = new Queue<RawJob>(RAW_QUEUE, { connection, prefix });
  const flows = new FlowProducer({ connection, prefix });
  const subscriber = new Redis(redisUrl);
  const pending = createPendingRuns(RUN_LIMIT_MS);
  subscriber.on("message", (_channel: string, runId: string) => pending.end(runId));
  await subscriber.subscribe(rawEndedChannel(prefix));
  await Promise.all([queue.waitUntilReady(), flows.waitUntilReady()]);

  async function enqueue(runId: string, shape: Shape): Promise<void> {
    if (shape.kind === "single") await queue.add("step", { runId, isRoot: true }, JOB_OPTIONS);
    else await flows.add(buildFlow(runId, shape));
  }

  return {
    name: "raw",
    workerPid: worker.pid,
    async run(shape) {
      const runId = randomUUID();
      const ended = pending.wait(runId);
      await Promise.all([ended, enqueue(runId, shape)]);
    },
    async close() {
      await worker.stop();
      await Promise.all([queue.close(), flows.close(), subscriber.quit()]);
    },
  };
}

const JOB_OPTIONS = { removeOnComplete: true, removeOnFail: true };

function buildFlow(runId: string, shape: Exclude<Shape, { kind: "single" }>): FlowJob {
  if (shape.kind === "fanOut") {
    const children = Array.from({ length: shape.width }, () => buildJob(runId, false));
    return { ...buildJob(runId, true), children };
  }
  let flow = buildJob(runId, shape.length === 1);
  for (let place = 2; place <= shape.length; place += 1) {
    flow = { ...buildJob(runId, place === shape.length), children: [flow] };
  }
  return flow;
}

function buildJob(runId: string, isRoot: boolean): FlowJob {
  return { name: "step", queueName: RAW_QUEUE, data: { runId, isRoot } satisfies RawJob, opts: JOB_OPTIONS };
}
