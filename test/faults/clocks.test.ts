import { afterEach, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import jsonwebtoken from "jsonwebtoken";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { describeWith, faketime, faketimeLibrary } from "../support/requirements.js";

const RUNS = 20;
const DELAY_SECONDS = 4;
const FIRING_MS = 25_000;
const LIFE_MS = 15_000;
const SIGN_IN = {
  ADMIN_EMAIL: "clock@example.com",
  ADMIN_PASSWORD: "a long password of this test",
  JWT_SECRET: "a secret of this test that is as long as it has to be",
};

/** A token, and when it ends. */
interface Ending {
  readonly token: string;
  readonly at: number;
}

describeWith(faketime, "F21: clocks that are wrong by an hour", () => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  /** Only the clock is moved: time passes as fast as ever. */
  const wrongBy = (seconds: string) => ({
    LD_PRELOAD: faketimeLibrary ?? "",
    FAKETIME: seconds,
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    DONT_FAKE_MONOTONIC: "1",
  });

  const cases = FAULT_BACKENDS.flatMap((backend) =>
    ["+3600s", "-3600s"].map((seconds) => ({ ...backend, seconds })),
  );

  it.each(cases)(
    "a worker and the scheduler $seconds, queues on $name",
    async ({ name, hasRedis, seconds }) => {
      world = await openFaultWorld({ hasRedis, settings: SIGN_IN });
      const [api] = await Promise.all([
        world.spawn("api"),
        world.spawn("worker"),
        world.spawn("worker", wrongBy(seconds)),
        world.spawn("scheduler", wrongBy(seconds)),
      ]);
      await world.addWorkflow(api.address, "tick", [{ id: "a", uses: "builtin:noop" }]);
      await world.addWorkflow(api.address, "late", [
        { id: "begin", uses: "builtin:noop" },
        {
          id: "wait",
          uses: "builtin:wait",
          dependsOn: ["begin"],
          inputs: { seconds: { value: DELAY_SECONDS } },
        },
        { id: "end", uses: "builtin:noop", dependsOn: ["wait"] },
      ]);
      const made = await world.call(api.address, "POST", "/api/v1/schedules", {
        name: "each second",
        workflow: "tick",
        cron: "* * * * * *",
        timezone: "UTC",
        overlap: "allow",
        catchUp: "all",
      });
      expect(made.status).toBe(201);
      const from = await readClock();
      const tokens = Promise.all([
        watchEnd(api.address, await makeKey(api.address)),
        watchEnd(api.address, await makeAccessToken(api.address)),
      ]);
      const order = { workflow: "late", delaySeconds: DELAY_SECONDS };
      for (let run = 0; run < RUNS; run += 1) {
        expect((await world.call(api.address, "POST", "/api/v1/workflow-runs", order)).status).toBe(202);
        await sleep(100);
      }
      await sleep(FIRING_MS);
      const delayed = () => world.knex("workflow_runs").whereNull("scheduled_for");
      await eventually(
        "all delayed runs",
        async () => (await delayed().where("status", "succeeded")).length === RUNS,
        60_000,
      );
      const delays = await readDelays();
      const earlyMs = Math.max(...delays.map((late) => -late));
      const lateMs = Math.max(...delays);
      const fired = await readFirings(from);
      const [keyMs, accessMs] = await tokens;
      recordFigures(
        "F21",
        name,
        `worker and scheduler ${seconds}: ${RUNS} delayed runs with a wait of ${DELAY_SECONDS} s each, at most ${Math.round(earlyMs)} ms early and ${Math.round(lateMs)} ms late; ${fired.total} firings for ${fired.due} due times of ${fired.wanted}; an API key and an access token were good to their end and refused ${keyMs} and ${accessMs} ms after it`,
      );
      expect(earlyMs).toBeLessThanOrEqual(1000);
      expect(lateMs).toBeLessThanOrEqual(30_000);
      for (const endedMs of [keyMs, accessMs]) {
        expect(endedMs).toBeGreaterThanOrEqual(0);
        expect(endedMs).toBeLessThanOrEqual(60_000);
      }
      expect(fired.total).toBe(fired.due);
      expect(fired.due).toBe(fired.wanted);
    },
    150_000,
  );

  /** Keys and tokens end so much later. */
  const endsAt = (): number => Math.ceil((Date.now() + LIFE_MS) / 1000) * 1000;

  async function makeKey(address: string): Promise<Ending> {
    const at = endsAt();
    const order = { name: "short", expiresAt: new Date(at).toISOString() };
    const made = await world.call(address, "POST", "/api/v1/auth/api-keys", order);
    expect(made.status).toBe(201);
    return { token: String(made.body["key"]), at };
  }

  /** One of a sign-in that was almost a token's life ago. */
  async function makeAccessToken(address: string): Promise<Ending> {
    const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password, JWT_SECRET: secret } = SIGN_IN;
    const signedIn = await world.call(address, "POST", "/api/v1/auth/login", { email, password });
    expect(signedIn.status).toBe(200);
    const given = jsonwebtoken.decode(String(signedIn.body["accessToken"]), { complete: true });
    const claims = given?.payload as jsonwebtoken.JwtPayload;
    const at = endsAt();
    const life = Number(claims.exp) - Number(claims.iat);
    const payload = { ...claims, iat: at / 1000 - life, exp: at / 1000 };
    return { token: jsonwebtoken.sign(payload, secret, { header: given?.header }), at };
  }

  /** @returns how long after its end a token is refused first. @throws when it is refused before. */
  async function watchEnd(address: string, { token, at }: Ending): Promise<number> {
    const authorization = `Bearer ${token}`;
    const refused = async () =>
      (await world.call(address, "GET", "/api/v1/auth/me", undefined, { authorization })).status === 401;
    await eventually("a token's end", refused, LIFE_MS + 60_000);
    return Date.now() - at;
  }

  async function readClock(): Promise<Date> {
    const { rows } = await world.knex.raw("SELECT date_trunc('second', now()) AS at");
    return rows[0].at as Date;
  }

  /** Milliseconds after its time at which each delayed step began, by the database's clock. */
  async function readDelays(): Promise<number[]> {
    const { rows } = await world.knex.raw(
      `SELECT extract(epoch FROM begun.started_at - run.created_at) * 1000 - :delay AS late
         FROM workflow_runs run JOIN step_runs begun ON begun.run_id = run.id AND begun.step_id = 'begin'
        WHERE run.scheduled_for IS NULL
       UNION ALL
       SELECT extract(epoch FROM waited.finished_at - waited.started_at) * 1000 - :delay
         FROM step_runs waited WHERE waited.step_id = 'wait'`,
      { delay: DELAY_SECONDS * 1000 },
    );
    return rows.map((row: { late: string }) => Number(row.late));
  }

  /** Of the due times from a little after `from` on, the last few seconds left out: they may be under way. */
  async function readFirings(from: Date): Promise<{ total: number; due: number; wanted: number }> {
    const first = from.getTime() + 3000;
    const last = first + FIRING_MS - 5000;
    const runs: { scheduled_for: Date }[] = await world
      .knex("workflow_runs")
      .whereBetween("scheduled_for", [new Date(first), new Date(last)])
      .select("scheduled_for");
    const due = new Set(runs.map((run) => run.scheduled_for.getTime()));
    return { total: runs.length, due: due.size, wanted: (last - first) / 1000 + 1 };
  }
});
