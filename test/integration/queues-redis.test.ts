import { Redis } from "ioredis";
import { pino } from "pino";
import { openQueues } from "../../src/queues/queue-connections.js";
import { runQueueContract } from "../contracts/run-queue.contract.js";
import { startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";

describeWith(redisServer, "run queue on Redis", () => {
  runQueueContract(async () => {
    const redis = await startOwnRedis();
    const prefix = "contract";
    const databaseUrl = "postgres://nowhere.invalid/none";
    const backend = await openQueues({
      redisUrl: redis.url,
      databaseUrl,
      prefix,
      logger: pino({ level: "silent" }),
    });
    const admin = new Redis(redis.url);
    admin.on("error", () => undefined);
    return {
      backend,
      connection: { redisUrl: redis.url, databaseUrl, prefix },
      async stealLock(queue, id) {
        await admin.set(`${prefix}:${queue}:${id}:lock`, "other");
      },
      async interrupt() {
        await redis.kill();
        await redis.start();
      },
      async close() {
        admin.disconnect();
        await backend.close();
        await redis.stop();
      },
    };
  });
});
