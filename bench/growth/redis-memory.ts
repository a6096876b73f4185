import { Redis } from "ioredis";
import { type GrowthStage, type Installation, withInstallation } from "./installation.js";

/** T16: what Redis keeps for steps that wait. Jobs carry ids only, so there is no payload to exclude. */
export interface RedisMemoryFigures {
  /** Bytes for each step that waits, of runs of a hundred parallel steps. */
  readonly bytesPerFlowStep: number;
  /** The same, of runs of one step. */
  readonly bytesPerPlainStep: number;
  /** Bytes for a run of a hundred steps in a row, of which one waits. */
  readonly bytesPerChainRun: number;
}

/** Lets runs wait for workers that there are none of, and asks Redis what it uses. */
export async function measureRedisMemory(stage: GrowthStage): Promise<RedisMemoryFigures> {
  const scale = stage.isQuick ? 1 : 4;
  return await withInstallation(stage, "memory", async ({ driver }) => {
    const redis = new Redis(stage.redis.url);
    try {
      const noop = (id: string, dependsOn: string[] = []) => ({ id, uses: "builtin:noop", dependsOn });
      const wide = Array.from({ length: 100 }, (_, index) => noop(`step-${index}`));
      const chain = wide.map(({ id }, index) => noop(id, index === 0 ? [] : [`step-${index - 1}`]));
      const grow = async (steps: ReturnType<typeof noop>[], runs: number): Promise<number> => {
        const name = await driver.publish(steps);
        await startMany(driver, name, 1, stage.signal);
        const before = await readUsed(redis);
        await startMany(driver, name, runs, stage.signal);
        return (await readUsed(redis)) - before;
      };
      return {
        bytesPerFlowStep: (await grow(wide, 50 * scale)) / (50 * scale * wide.length),
        bytesPerPlainStep: (await grow([noop("only")], 2000 * scale)) / (2000 * scale),
        bytesPerChainRun: (await grow(chain, 500 * scale)) / (500 * scale),
      };
    } finally {
      redis.disconnect();
    }
  });
}

async function startMany(
  driver: Installation["driver"],
  workflow: string,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      signal.throwIfAborted();
      left -= 1;
      await driver.start(workflow);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}

async function readUsed(redis: Redis): Promise<number> {
  const used = /^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1];
  if (used === undefined) throw new Error("Redis does not say what memory it uses");
  return Number(used);
}
