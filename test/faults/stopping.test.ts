import { afterEach, describe, expect, it } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { openSse } from "../support/sse-client.js";

describe.each(FAULT_BACKENDS)(
  "F26: processes that are told to stop, queues on $name",
  ({ name, hasRedis }) => {
    let world: FaultWorld;

    afterEach(async () => await world?.close());

    it("an API under 100 open requests and 20 streams answers what it took", async () => {
      world = await openFaultWorld({ hasRedis });
      const [api] = await Promise.all([world.spawn("api"), world.spawn("worker")]);
      world.witness.answerAfter("slow", 3000);
      await world.addWorkflow(api.address, "slow", [world.calling("slow")]);
      const headers = { authorization: `Bearer ${world.token}` };
      const streams = await Promise.all(
        Array.from({ length: 20 }, () => openSse(`${api.address}/api/v1/stream`, headers)),
      );
      expect(streams.every((stream) => stream.status === 200)).toBe(true);
      const ends = streams.map(async (stream) => {
        for await (const _frame of stream.frames) continue;
      });
      const requests = Array.from({ length: 100 }, () =>
        world.call(api.address, "POST", "/api/v1/workflow-runs?wait=5", { workflow: "slow" }).then(
          (answer) => String(answer.status),
          (error: Error) => `no answer: ${String(error.cause ?? error)}`,
        ),
      );
      // accepted: each has made its run
      await eventually(
        "100 runs",
        async () => Object.values(await world.statuses()).reduce((sum, n) => sum + n, 0) === 100,
        30_000,
      );
      const stopped = await api.stop();
      const answers = await Promise.all(requests);
      await Promise.all(ends);
      const broken = answers.filter((answer) => !/^20[02]$/.test(answer));
      recordFigures(
        "F26 (API)",
        name,
        `exit code ${stopped.code} after ${Math.round(stopped.tookMs)} ms, ${100 - broken.length} of 100 open requests answered, 20 of 20 streams ended`,
      );
      expect(broken).toEqual([]);
      expect(stopped.code).toBe(0);
      expect(stopped.tookMs).toBeLessThan(20_000);
    }, 120_000);

    it.each([15, 2])(
      "a worker with 10 s steps and DRAIN_SECONDS=%d finishes or hands over",
      async (drain) => {
        world = await openFaultWorld({ hasRedis });
        const [api, worker] = await Promise.all([
          world.spawn("api"),
          world.spawn("worker", { DRAIN_SECONDS: String(drain) }),
        ]);
        world.witness.answerAfter("ten", 10_000);
        await world.addWorkflow(api.address, "ten", [world.calling("ten")]);
        const start = () => world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow: "ten" });
        const startedAt = performance.now();
        await Promise.all([start(), start(), start()]);
        await eventually("three steps", () => world.witness.total() === 3);
        const askedMs = Math.round(performance.now() - startedAt);
        const other = world.spawn("worker");
        await other;
        const stopped = await worker.stop();
        const stoppedAt = performance.now();
        const isHandedOver = drain < 10;
        if (isHandedOver) await eventually("them elsewhere", () => world.witness.total() === 6);
        const handedMs = Math.round(performance.now() - stoppedAt);
        await eventually("all ended", async () => (await world.statuses())["succeeded"] === 3, 40_000);
        recordFigures(
          `F26 (worker, ${drain} s)`,
          name,
          `exit code ${stopped.code} after ${Math.round(stopped.tookMs)} ms (asked ${askedMs} ms after its steps began), ${
            isHandedOver
              ? `3 of 3 steps run elsewhere ${handedMs} ms after it was gone and the other was up`
              : "3 of 3 steps ended there"
          }`,
        );
        expect(stopped.code).toBe(0);
        expect(stopped.tookMs).toBeLessThan(20_000);
        expect(world.witness.total()).toBe(isHandedOver ? 6 : 3);
        if (isHandedOver) expect(handedMs).toBeLessThan(5000);
      },
      120_000,
    );
  },
);
