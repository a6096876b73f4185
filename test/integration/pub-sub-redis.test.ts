import { expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { openPubSub } from "../../src/events/open-pub-sub.js";
import { pubSubContract } from "../contracts/pub-sub.contract.js";
import { startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";

const databaseUrl = "postgres://nowhere.invalid/none";

describeWith(redisServer, "PubSub on Redis", () => {
  pubSubContract(async () => {
    const redis = await startOwnRedis();
    const admin = new Redis(redis.url);
    admin.on("error", () => undefined);
    return {
      open: (prefix) => openPubSub({ redisUrl: redis.url, databaseUrl, prefix }),
      async interrupt() {
        await redis.kill();
        await redis.start();
      },
      async sendRaw(channel, payload) {
        await admin.publish(channel, payload);
      },
      async close() {
        admin.disconnect();
        await redis.stop();
      },
    };
  });

  it("rejects a publish while Redis is away, at once", async () => {
    const redis = await startOwnRedis();
    const pubSub = await openPubSub({ redisUrl: redis.url, databaseUrl, prefix: "away" });
    try {
      await redis.kill();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const startedAt = Date.now();
      await expect(pubSub.publish("control", { type: "stop-run", runId: "r", below: 1 })).rejects.toThrow();
      expect(Date.now() - startedAt).toBeLessThan(1000);
    } finally {
      await pubSub.close();
      await redis.stop();
    }
  });
});
