import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createKnownDevices } from "../../src/services/auth/known-devices.js";
import { createLoginThrottle, type LoginThrottle } from "../../src/services/auth/login-throttle.js";
import { toAddressKey } from "../../src/services/limits/address-key.js";
import { createRequestLimiter } from "../../src/services/limits/request-limiter.js";
import { openSharedLimits, type SharedLimits } from "../../src/services/limits/shared-limits.js";
import { startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";
import { startTestServer, TEST_JWT_SECRET, TEST_PASSWORD } from "../support/test-server.js";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
});

/** What one process has: they share the store alone. On a busy machine its server may take its time. */
const openProcess = (redisUrl?: string, storeLimitMs = 5000): SharedLimits =>
  openSharedLimits({ knex: database.knex, redisUrl, prefix: database.prefix, storeLimitMs });

async function isRefused(throttle: LoginThrottle, attempt: Parameters<LoginThrottle["assertMayTry"]>[0]) {
  return await throttle.assertMayTry(attempt).then(
    () => false,
    (error: { code?: string; headers?: Record<string, string> }) => {
      expect(error.code).toBe("TOO_MANY_REQUESTS");
      expect(Number(error.headers?.["Retry-After"])).toBeGreaterThan(0);
      return true;
    },
  );
}

function sharedBehaviour(redisUrl: string | undefined): void {
  it("counts requests of all processes together, exactly", async () => {
    const processes = [openProcess(redisUrl), openProcess(redisUrl), openProcess(redisUrl)];
    // Redis is not waited for at the start
    await new Promise((resolve) => setTimeout(resolve, redisUrl === undefined ? 0 : 500));
    const limiters = processes.map((limits) =>
      createRequestLimiter({ shared: limits.limiter({ name: "exact", points: 20, seconds: 60 }), limit: 20 }),
    );
    const verdicts = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => await limiters[index % 3]?.take("one caller")),
    );
    expect(verdicts.filter((verdict) => verdict?.isAllowed)).toHaveLength(20);
    const late = await limiters[0]?.take("one caller");
    expect(late).toMatchObject({ isAllowed: false, limit: 20, remaining: 0 });
    expect(late?.resetSeconds).toBeGreaterThan(50);
    expect(await limiters[0]?.take("another caller")).toMatchObject({ isAllowed: true });
    for (const limits of processes) limits.close();
  });

  it("asks the store once for many requests, and never lets more pass than the limit", async () => {
    const limits = openProcess(redisUrl);
    await new Promise((resolve) => setTimeout(resolve, redisUrl === undefined ? 0 : 500));
    const store = limits.limiter({ name: "batched", points: 5000, seconds: 60 });
    let asked = 0;
    const shared = {
      ...store,
      take: async (key: string, points: number) => ((asked += 1), await store.take(key, points)),
    };
    const limiter = createRequestLimiter({ shared, limit: 5000 });
    let allowed = 0;
    for (let count = 0; count < 6000; count += 1) if ((await limiter.take("busy")).isAllowed) allowed += 1;
    expect(allowed).toBe(5000);
    expect(asked).toBeLessThanOrEqual(52);
    limits.close();
  });

  it("begins anew when the window is over", async () => {
    const limits = openProcess(redisUrl);
    await new Promise((resolve) => setTimeout(resolve, redisUrl === undefined ? 0 : 500));
    const limiter = createRequestLimiter({
      shared: limits.limiter({ name: "short", points: 2, seconds: 1 }),
      limit: 2,
    });
    const take = async () => (await limiter.take("x")).isAllowed;
    expect([await take(), await take(), await take()]).toEqual([true, true, false]);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect([await take(), await take(), await take()]).toEqual([true, true, false]);
    limits.close();
  });

  it("counts wrong passwords of all processes together", async () => {
    const processes = [openProcess(redisUrl), openProcess(redisUrl)];
    await new Promise((resolve) => setTimeout(resolve, redisUrl === undefined ? 0 : 500));
    const throttles = processes.map((limits) => createLoginThrottle({ limits }));
    const attempt = { email: "ann@example.com", address: "192.0.2.1" };
    const tries: boolean[] = [];
    for (let count = 0; count < 12; count += 1) {
      const throttle = throttles[count % 2];
      if (throttle) tries.push(await isRefused(throttle, attempt));
    }
    expect(tries).toEqual([...Array.from({ length: 10 }, () => false), true, true]);
    for (const limits of processes) limits.close();
  });
}

describe("rate limits on PostgreSQL", () => {
  sharedBehaviour(undefined);
});

describeWith(redisServer, "rate limits on Redis", () => {
  sharedBehaviour(process.env["TEST_REDIS_URL"]);

  it("are counted by each process while Redis is away, and nobody waits for it", async () => {
    const redis = await startOwnRedis();
    const limits = openProcess(redis.url, 250);
    const limiter = createRequestLimiter({
      shared: limits.limiter({ name: "away", points: 3, seconds: 60 }),
      limit: 3,
    });
    try {
      await redis.kill();
      const startedAt = performance.now();
      const verdicts = [];
      for (let count = 0; count < 5; count += 1) verdicts.push((await limiter.take("x")).isAllowed);
      expect(verdicts).toEqual([true, true, true, false, false]);
      expect(performance.now() - startedAt).toBeLessThan(1500);
    } finally {
      limits.close();
      await redis.stop();
    }
  });
});

describe("the throttle of sign-ins", () => {
  const devices = createKnownDevices({ jwtSecret: TEST_JWT_SECRET });
  const bounds = { perAccount: 5, perAddress: 1000, perAccountEverywhere: 10, slowestMs: 600 };

  it("refuses an address, and nobody's account", async () => {
    const throttle = createLoginThrottle({ limits: openProcess(), bounds });
    const email = "victim@example.com";
    const attacker = { email, address: "192.0.2.66" };
    while (!(await isRefused(throttle, attacker))) continue;
    expect(await isRefused(throttle, { email, address: "192.0.2.77" })).toBe(false);
    // the same address, from a browser that the person has signed in with before
    const device = devices.read(email, devices.make(email));
    expect(device).toBeDefined();
    expect(await isRefused(throttle, { email, address: attacker.address, device })).toBe(false);
    expect(await isRefused(throttle, { email: "other@example.com", address: attacker.address })).toBe(false);
  });

  it("only slows an account that many addresses try, and not for a known browser", async () => {
    const throttle = createLoginThrottle({ limits: openProcess(), bounds });
    const email = "hunted@example.com";
    const time = async (attempt: object) => {
      const startedAt = performance.now();
      await throttle.assertMayTry({ email, address: null, ...attempt });
      return performance.now() - startedAt;
    };
    for (let count = 0; count < 20; count += 1) await time({ address: `198.51.100.${count}` });
    expect(await time({ address: "203.0.113.9" })).toBeGreaterThan(550);
    const device = devices.read(email, devices.make(email));
    expect(await time({ address: "203.0.113.9", device })).toBeLessThan(400);
  }, 30_000);

  it("bears as many wrong passwords from a known browser as from an address, and takes no mark of another account", async () => {
    const throttle = createLoginThrottle({ limits: openProcess(), bounds });
    const device = devices.read("known@example.com", devices.make("known@example.com"));
    const tries: boolean[] = [];
    for (let count = 0; count < 7; count += 1)
      tries.push(
        await isRefused(throttle, { email: "known@example.com", address: `192.0.2.${count}`, device }),
      );
    expect(tries).toEqual([false, false, false, false, false, true, true]);
    expect(devices.read("else@example.com", devices.make("known@example.com"))).toBeUndefined();
    expect(
      devices.read("known@example.com", `${devices.make("known@example.com").slice(0, -1)}!`),
    ).toBeUndefined();
    const other = createKnownDevices({ jwtSecret: "another secret of another installation" });
    expect(devices.read("known@example.com", other.make("known@example.com"))).toBeUndefined();
  });

  it("knows the browser by a cookie", async () => {
    const server = await startTestServer({ loginLimits: { perAccount: 2 } });
    const login = async (password: string, headers: Record<string, string> = {}) =>
      await server.request({
        method: "POST",
        path: "/api/v1/auth/login",
        as: null,
        body: { email: "viewer@example.com", password },
        headers,
      });
    try {
      const first = await login(TEST_PASSWORD);
      const cookie = first.headers["set-cookie"]?.find((line) => line.startsWith("headrace_device=")) ?? "";
      expect(cookie).toMatch(/Path=\/api\/v1\/auth; HttpOnly; SameSite=Strict/);
      const known = { cookie: cookie.slice(0, cookie.indexOf(";")) };
      for (let count = 0; count < 3; count += 1) await login("wrong");
      expect((await login(TEST_PASSWORD)).status).toBe(429);
      expect((await login(TEST_PASSWORD, known)).status).toBe(200);
      expect((await login("wrong", known)).status).toBe(401);
    } finally {
      await server.close();
    }
  });
});

describe("limits of requests", () => {
  it("by address: 429 with Retry-After and RateLimit headers, X-Forwarded-For believed of known proxies alone", async () => {
    const environment = { RATE_LIMIT_ADDRESS: "5", RATE_LIMIT_CALLER: "0" };
    const server = await startTestServer({ environment });
    const behind = await startTestServer({ environment: { ...environment, TRUST_PROXY: "1" } });
    const ask = async (to: typeof server, from: string, path = "/api/v1/auth/me") =>
      await to.request({ path, headers: { "x-forwarded-for": from } });
    try {
      for (let count = 0; count < 5; count += 1) {
        const answer = await ask(server, `192.0.2.${count}`);
        expect([answer.status, answer.headers["ratelimit-limit"]]).toEqual([200, "5"]);
        expect(answer.headers["ratelimit-remaining"]).toBe(String(4 - count));
      }
      const over = await ask(server, "192.0.2.99");
      expect(over.status).toBe(429);
      expect(over.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(Number(over.headers["retry-after"])).toBeGreaterThan(0);
      expect(over.headers["ratelimit-reset"]).toBe(over.headers["retry-after"]);
      // probes go on, strangers do not
      expect((await ask(server, "192.0.2.99", "/health/live")).status).toBe(200);
      expect((await server.request({ path: "/sign-in", as: null })).status).toBe(429);
      for (let count = 0; count < 8; count += 1)
        expect((await ask(behind, `192.0.2.${count}`)).status).toBe(200);
    } finally {
      await server.close();
      await behind.close();
    }
  });

  it("by person and by key, each by itself, after 401 and before 403", async () => {
    const server = await startTestServer({
      environment: { RATE_LIMIT_CALLER: "4", RATE_LIMIT_ADDRESS: "0" },
    });
    const path = "/api/v1/auth/me";
    try {
      const made = await server.request({
        method: "POST",
        path: "/api/v1/auth/api-keys",
        body: { name: "k" },
      });
      const key = String(made.body["key"]);
      for (let count = 0; count < 3; count += 1) expect((await server.request({ path })).status).toBe(200);
      expect((await server.request({ path })).status).toBe(429);
      expect((await server.request({ path: "/api/v1/users" })).status).toBe(429);
      expect((await server.request({ path, token: key })).status).toBe(200);
      expect((await server.request({ path, as: "viewer" })).status).toBe(200);
      expect((await server.request({ path, as: null })).status).toBe(401);
    } finally {
      await server.close();
    }
  });

  it("take an IPv6 network as one address, and IPv4 however it is written", () => {
    expect(toAddressKey("2001:db8:1:2:3:4:5:6")).toBe(toAddressKey("2001:0db8:1:2::9"));
    expect(toAddressKey("2001:db8:1:3::1")).not.toBe(toAddressKey("2001:db8:1:2::1"));
    expect(toAddressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(toAddressKey("::1")).toBe("0:0:0:0::/64");
    expect(toAddressKey(null)).toBe("unknown");
  });
});
