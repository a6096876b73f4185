import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Actor } from "../../src/core/actor.js";
import { newId } from "../../src/core/ids.js";
import type { PlanStep } from "../../src/core/plan.js";
import { createRunCommands } from "../../src/services/engine/run-commands.js";
import type { RunCommands } from "../../src/services/runs/run-commands.js";
import { buildPlan } from "../support/build-plan.js";
import {
  BACKENDS,
  type EngineHarness,
  openEngineHarness,
  saveScript,
  waitUntil,
} from "../support/engine-harness.js";
import "../support/leak-check.js";

const origin = { requestId: "r", address: null };
const boom = { boom: { expression: '$error("boom")' } };

describe.each(BACKENDS)("control flow on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let commands: RunCommands;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    const never = async () => Promise.reject(new Error("not used"));
    commands = createRunCommands({
      ...harness.platform,
      versions: { resolveForRun: never, ensureTestVersion: never },
    });
    await harness.startWorker();
  });
  afterAll(async () => harness?.close());

  const knex = () => harness.platform.knex;
  const rows = async (runId: string) =>
    await knex()("step_runs").where("run_id", runId).orderBy(["step_index", "item_index"]);

  async function run(drafts: Parameters<typeof buildPlan>[0], input: object = {}, rest = {}) {
    const versionId = await harness.saveVersion(buildPlan(drafts, rest));
    return await harness.startRun(versionId, input as never);
  }

  async function person(role: Actor["role"] = "operator"): Promise<Actor> {
    const userId = newId();
    const name = `p${userId.slice(-8)}@example.test`;
    await knex()("users").insert({ id: userId, email: name, name, role });
    return { type: "user", userId, name, role };
  }

  describe("forEach", () => {
    const each = (values: Partial<PlanStep>) => ({
      id: "each",
      forEach: { input: "/items" },
      inputs: { item: { expression: "item" }, at: { expression: "itemIndex" } },
      ...values,
    });

    it("gives the items' outputs in order, with at most maxParallel of them under way", async () => {
      const items = Array.from({ length: 230 }, (_, n) => n * 10);
      const script = await saveScript(
        harness.platform,
        "python_script",
        "import time\ndef main(item):\n  time.sleep(0.05)\n  return {'item': item}\n",
      );
      const small = await run(
        [each({ target: script, maxParallel: 2, inputs: { item: { expression: "item" } } })],
        { items: items.slice(0, 8) },
      );
      const big = await run([each({ maxParallel: 16 })], { items });
      const ended = await harness.waitForEnd(big, 30_000);
      expect(ended.output).toEqual({ each: items.map((item, at) => ({ item, at })) });
      expect((await harness.waitForEnd(small)).output).toEqual({
        each: items.slice(0, 8).map((item) => ({ item })),
      });
      const { rows: overlaps } = await knex().raw(
        `SELECT max(n)::int AS most FROM (SELECT (SELECT count(*) FROM step_runs b WHERE b.run_id = a.run_id
           AND b.item_index >= 0 AND b.started_at <= a.started_at AND b.finished_at > a.started_at) AS n
           FROM step_runs a WHERE a.run_id = ? AND a.item_index >= 0) AS counted`,
        [small],
      );
      expect(overlaps[0].most).toBe(2);
      const seqs = (await harness.events(big)).map((event) => Number(event.seq));
      expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    });

    it("keeps failures with their place when the step continues, and fails at the first when it does not", async () => {
      const inputs = { n: { expression: 'item = 2 ? $error("two") : item' } };
      const items = [1, 2, 3];
      const kept = await harness.waitForEnd(await run([each({ inputs, onError: "continue" })], { items }));
      expect(kept).toMatchObject({ status: "succeeded", error: null });
      expect(kept.output).toEqual({
        each: [
          { n: 1 },
          { itemIndex: 1, error: { code: "invalid_input", message: expect.stringContaining("two") } },
          { n: 3 },
        ],
      });
      const many = Array.from({ length: 50 }, (_, n) => n);
      const failed = await harness.waitForEnd(await run([each({ inputs, maxParallel: 1 })], { items: many }));
      expect(failed).toMatchObject({ status: "failed", error: { code: "invalid_input", stepId: "each" } });
      expect(await rows(failed.id)).toHaveLength(4); // the whole and items 0, 1, 2: none after the failure
    });

    it("succeeds at once over nothing, and refuses what is no array", async () => {
      expect((await harness.waitForEnd(await run([each({})], { items: [] }))).output).toEqual({ each: [] });
      const refused = await harness.waitForEnd(await run([each({})], { items: "abc" }));
      expect(refused.error).toMatchObject({ code: "invalid_input", stepId: "each" });
    });

    it("ends what PostgreSQL cannot store, and says so", async () => {
      const nul = String.raw`"a\u0000b"`;
      const wait = { kind: "builtin", name: "approval" } as const;
      const ends = await Promise.all(
        [
          await run([each({ forEach: { expression: `[${nul}]` } })]),
          await run([{ id: "each", target: wait, inputs: { message: { expression: nul } } }]),
          await run([{ id: "each", inputs: { n: { expression: `$error(${nul})` } } }]),
          await run([{ id: "each" }], {}, { outputs: { x: { expression: nul } } }),
        ].map((runId) => harness.waitForEnd(runId)),
      );
      const codes = ends.map(({ error }) => error?.code);
      expect(codes).toEqual(["invalid_input", "invalid_input", "invalid_input", "invalid_output"]);
    });

    it("retries an item by itself", async () => {
      const script = await saveScript(
        harness.platform,
        "python_script",
        "import os\ndef main(path, item):\n  mark = f'{path}/{item}'\n  if item == 1 and not os.path.exists(mark):\n    open(mark, 'w').close()\n    raise ValueError('first time')\n  return item\n",
      );
      const retry = {
        maxAttempts: 2,
        backoff: "fixed",
        delaySeconds: 0,
        maxDelaySeconds: 1,
        jitter: false,
      } as const;
      const inputs = { path: { value: `/var/tmp` }, item: { expression: "item" } };
      const runId = await run([each({ target: script, retry, inputs })], { items: [0, 2, 3] });
      expect((await harness.waitForEnd(runId)).output).toEqual({ each: [0, 2, 3] });
    });
  });

  describe("sub-workflows", () => {
    async function child(drafts: Parameters<typeof buildPlan>[0], rest = {}) {
      const versionId = await harness.saveVersion(buildPlan(drafts, rest));
      const workflowId = newId();
      return { kind: "workflow", workflowId, versionId, name: "child", version: 1 } as const;
    }

    it("hands inputs down and the output up, for each item too", async () => {
      const target = await child([{ id: "double", inputs: { n: { expression: "input.n * 2" } } }], {
        outputs: { twice: { step: "double", output: "/n" } },
      });
      const parent = await run(
        [
          { id: "one", target, inputs: { n: { value: 21 } } },
          {
            id: "all",
            target,
            after: ["one"],
            forEach: { input: "/items" },
            inputs: { n: { expression: "item + steps.one.output.twice" } },
          },
        ],
        { items: [1, 2, 3] },
      );
      const ended = await harness.waitForEnd(parent);
      expect(ended.output).toEqual({ all: [{ twice: 86 }, { twice: 88 }, { twice: 90 }] });
      const children = await knex()("workflow_runs").where("parent_run_id", parent);
      expect(children).toHaveLength(4);
      expect(children.every((one) => one.trigger === "workflow" && one.depth === 1)).toBe(true);
    });

    it("hands a failure up and a cancel both ways", async () => {
      const failing = await child([{ id: "bad", inputs: boom }]);
      const failed = await harness.waitForEnd(await run([{ id: "sub", target: failing }]));
      expect(failed.error).toMatchObject({ code: "invalid_input", stepId: "sub" });

      const waiting = await child([
        { id: "hold", target: { kind: "builtin", name: "wait" }, inputs: { seconds: { value: 600 } } },
      ]);
      const down = await run([{ id: "sub", target: waiting }]);
      const up = await run([{ id: "sub", target: waiting }]);
      const childOf = async (runId: string) =>
        await knex()("workflow_runs").first("id", "status").where("parent_run_id", runId);
      await waitUntil(async () => (await childOf(down))?.status === "waiting");
      await waitUntil(async () => (await childOf(up))?.status === "waiting");
      const operator = await person();
      await commands.cancel(down, operator, origin);
      await waitUntil(async () => (await childOf(down))?.status === "canceled");
      await commands.cancel((await childOf(up))?.id, operator, origin);
      expect(await harness.waitForEnd(up)).toMatchObject({ status: "failed", error: { code: "canceled" } });
    });

    it("ends at the depth limit", async () => {
      let target = await child([{ id: "leaf" }]);
      for (let level = 0; level < 11; level += 1) target = await child([{ id: "down", target }]);
      const ended = await harness.waitForEnd(await run([{ id: "top", target }]), 30_000);
      expect(ended.error?.message).toMatch(/at most 10 deep/);
    });
  });

  describe("waits and approvals", () => {
    const approval = (inputs: PlanStep["inputs"] = {}) =>
      ({ id: "ok", target: { kind: "builtin", name: "approval" }, inputs }) as const;
    const isWaiting = (runId: string) => async () =>
      (await knex()("workflow_runs").first("status").where("id", runId))?.status === "waiting";

    it("waits by the clock without a worker or a job, and goes on", async () => {
      const runId = await run([
        { id: "nap", target: { kind: "builtin", name: "wait" }, inputs: { seconds: { value: 1.2 } } },
        { id: "after", after: ["nap"] },
      ]);
      await waitUntil(isWaiting(runId));
      const [nap] = await rows(runId);
      expect(nap.waiting_for).toEqual([
        expect.objectContaining({ reason: "wait", since: expect.any(String), until: expect.any(String) }),
      ]);
      await harness.waitForEnd(runId);
      const [slept, after] = await rows(runId);
      expect(after.started_at - slept.started_at).toBeGreaterThanOrEqual(1200);
      expect(after.started_at - slept.started_at).toBeLessThan(4000);
      const types = (await harness.events(runId)).map((event) => event.type);
      expect(types.filter((type) => type.endsWith(".waiting"))).toEqual(["step.waiting", "run.waiting"]);
    });

    it("takes as many approvals as are required, each person once, and hands the values on", async () => {
      const form = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
      const runId = await run([
        approval({ form: { value: form }, approvers: { value: { roles: ["operator"], required: 2 } } }),
        { id: "after", after: ["ok"], inputs: { n: { step: "ok", output: "/values/n" } } },
      ]);
      await waitUntil(isWaiting(runId));
      const [one, other, viewer] = [await person(), await person("editor"), await person("viewer")];
      const approve = (who: Actor, values?: object) =>
        commands.decide(runId, "ok", { decision: "approve", values: values as never }, who, origin);
      await expect(approve(viewer, { n: 1 })).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(approve(one, { n: "x" })).rejects.toMatchObject({ code: "INVALID_FIELDS" });
      await approve(one, { n: 1 });
      await expect(approve(one, { n: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
      const both = await Promise.allSettled([approve(other, { n: 7 }), approve(other, { n: 8 })]);
      expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const ended = await harness.waitForEnd(runId);
      expect(ended.status).toBe("succeeded");
      expect([7, 8]).toContain((ended.output as { after: { n: number } }).after.n);
      const audit = await knex()("action_logs").where({ entity_id: runId, action: "run.approve" });
      expect(audit).toHaveLength(2);
    });

    it("is rejected with its comment, expires as it says, and refuses who started it", async () => {
      const rejected = await run([approval({ allowSelfApproval: { value: false } })]);
      const expired = await run([
        approval({ expiresInSeconds: { value: 0.3 }, onExpiry: { value: "approve" } }),
      ]);
      const timed = await run([approval({ expiresInSeconds: { value: 0.3 }, onExpiry: { value: "fail" } })]);
      await waitUntil(isWaiting(rejected));
      const [starter, other] = [await person(), await person()];
      await knex()("workflow_runs").where("id", rejected).update({ created_by: starter.userId });
      const reject = (who: Actor) =>
        commands.decide(rejected, "ok", { decision: "reject", comment: "not now" }, who, origin);
      await expect(reject(starter)).rejects.toMatchObject({ code: "FORBIDDEN" });
      await reject(other);
      expect((await harness.waitForEnd(rejected)).error).toMatchObject({
        code: "rejected",
        message: expect.stringContaining("not now"),
      });
      expect(await harness.waitForEnd(expired)).toMatchObject({
        status: "succeeded",
        output: { ok: { approved: true, expired: true } },
      });
      expect((await harness.waitForEnd(timed)).error).toMatchObject({ code: "timeout" });
    });
  });

  describe("onFailure and finally", () => {
    const handlers = [
      { id: "alarm", phase: "onFailure", inputs: { saw: { expression: "steps.work.status" } }, reads: [0] },
      { id: "sweep", phase: "finally" },
    ] as const;

    it("runs them after a failure, and only finally after a success", async () => {
      const failed = await harness.waitForEnd(await run([{ id: "work", inputs: boom }, ...handlers]));
      expect(failed).toMatchObject({ status: "failed", step_states: "fss", error: { stepId: "work" } });
      expect((await rows(failed.id))[1].output).toEqual({ saw: "failed" });
      const fine = await harness.waitForEnd(await run([{ id: "work", inputs: {} }, ...handlers]));
      expect(fine).toMatchObject({ status: "succeeded", step_states: "sks", output: { work: {} } });
    });

    it("runs finally after a cancel, and a second cancel ends that too", async () => {
      const nap = { target: { kind: "builtin", name: "wait" }, inputs: { seconds: { value: 600 } } } as const;
      const gentle = await run([{ id: "work", ...nap }, ...handlers]);
      const hard = await run([
        { id: "work", ...nap },
        { id: "sweep", phase: "finally", ...nap },
      ]);
      const operator = await person();
      const state = async (runId: string) =>
        (await knex()("workflow_runs").first("step_states").where("id", runId))?.step_states;
      await waitUntil(async () => (await state(gentle)) === "wpp" && (await state(hard)) === "wp");
      await commands.cancel(gentle, operator, origin);
      await commands.cancel(hard, operator, origin);
      expect(await harness.waitForEnd(gentle)).toMatchObject({ status: "canceled", step_states: "ccs" });
      await waitUntil(async () => (await state(hard)) === "cw");
      await commands.cancel(hard, operator, origin);
      expect(await harness.waitForEnd(hard)).toMatchObject({ status: "canceled", step_states: "cc" });
    });
  });

  describe("rerun", () => {
    it("of a twenty-step run that failed at its fifteenth step executes six", async () => {
      const versionId = await harness.saveVersion(
        buildPlan(
          Array.from({ length: 20 }, (_, n) => ({
            id: `s${n + 1}`,
            after: n === 0 ? [] : [`s${n}`],
            ...(n === 14 ? { inputs: boom } : {}),
          })),
        ),
      );
      const first = await harness.waitForEnd(await harness.startRun(versionId));
      expect(first.step_states).toBe(`${"s".repeat(14)}f${"d".repeat(5)}`);
      const { runId } = await commands.rerun(first.id, {}, await person(), origin);
      const again = await harness.waitForEnd(runId);
      const executed = (await harness.events(runId)).filter((event) => event.type === "step.started");
      expect(new Set(executed.map((event) => event.step_id)).size).toBeLessThanOrEqual(6);
      expect(executed[0]?.step_id).toBe("s15");
      expect(again.status).toBe("failed");
      const [copied] = await rows(runId);
      expect(copied).toMatchObject({ status: "succeeded", output: {} });
    });

    it("from a step runs that and what follows; the start reuses nothing; a running one is refused", async () => {
      const versionId = await harness.saveVersion(
        buildPlan([
          { id: "a" },
          { id: "b", after: ["a"] },
          { id: "c", after: ["b"] },
          { id: "x", after: ["a"] },
        ]),
      );
      const first = await harness.waitForEnd(await harness.startRun(versionId, { n: 1 }));
      const operator = await person();
      const started = async (from?: string) => {
        const { runId } = await commands.rerun(first.id, { from }, operator, origin);
        expect((await harness.waitForEnd(runId)).status).toBe("succeeded");
        const events = await harness.events(runId);
        return events
          .filter((event) => event.type === "step.started")
          .map((event) => event.step_id)
          .sort();
      };
      expect(await started("b")).toEqual(["b", "c"]);
      expect(await started("start")).toEqual(["a", "b", "c", "x"]);
      await expect(started("failed")).rejects.toMatchObject({ code: "CONFLICT" });
      await expect(started("nostep")).rejects.toMatchObject({ code: "INVALID_FIELDS" });
    });
  });
});
