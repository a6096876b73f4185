import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readClientAddress } from "../../src/http/client-address.js";
import { type MatrixWorld, NOBODY, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;

describe("limits of requests, by the doors that Express does not count", () => {
  beforeAll(async () => {
    world = await startMatrixWorld({ RATE_LIMIT_CALLER: "40", RATE_LIMIT_ADDRESS: "60" });
  });
  afterAll(async () => {
    await world.close();
  });

  it("each message of a batch at /mcp is a request of its caller", async () => {
    const send = async (count: number) =>
      await world.send({
        method: "POST",
        path: "/mcp",
        as: "viewer",
        headers: { accept: "application/json, text/event-stream" },
        body: Array.from({ length: count }, (_, id) => ({ jsonrpc: "2.0", id, method: "ping" })),
      });
    expect((await send(20)).status).toBe(200);
    const over = await send(30);
    expect(over.status).toBe(429);
    expect(over.headers["content-type"]).toMatch(/^application\/problem\+json/);
    expect(Number(over.headers["retry-after"])).toBeGreaterThan(0);
    // what the batch had taken is gone; others are not concerned
    expect((await world.send({ path: "/api/v1/auth/me", as: "viewer" })).status).toBe(429);
    expect((await world.send({ path: "/api/v1/auth/me", as: "operator" })).status).toBe(200);
  });

  it("a WebSocket is a request of its address", async () => {
    const statuses: number[] = [];
    for (let count = 0; count < 70; count += 1) statuses.push(await upgrade(`192.0.2.${count}`));
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    expect((await world.send({ path: "/api/v1/auth/me", as: "operator" })).status).toBe(429);
  });

  it("believes as many proxies as it knows", () => {
    const request = { headers: { "x-forwarded-for": "192.0.2.1, 192.0.2.2,192.0.2.3" }, socket: { remoteAddress: "10.0.0.1" } };
    const read = (known: number) => readClientAddress(request as unknown as IncomingMessage, known);
    expect([0, 1, 2, 3, 9].map(read)).toEqual(["10.0.0.1", "192.0.2.3", "192.0.2.2", "192.0.2.1", "192.0.2.1"]);
  });
});

/** The status that the server answers to a wish for a WebSocket. */
async function upgrade(from: string): Promise<number> {
  const headers = {
    ...{ connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
    ...{ "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "x-forwarded-for": from },
  };
  return await new Promise((resolve, reject) => {
    const request = httpRequest(`${world.address}/apps/${NOBODY}/`, { headers, agent: false }, (response) => {
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.on("upgrade", () => reject(new Error("it was taken")));
    request.on("error", reject);
    request.end();
  });
}
