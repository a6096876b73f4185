import { afterAll, afterEach, beforeAll, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import type { PubSub, PubSubChannels } from "../../src/events/pub-sub.js";
import { eventually } from "../support/eventually.js";

type RunEvents = PubSubChannels["run-events"];

/** What an implementation's test file lends the suite. */
export interface PubSubLab {
  /** Opens one more process's worth of PubSub on that prefix. */
  open(prefix: string): Promise<PubSub>;
  /** Cuts every connection; they come back by themselves. */
  interrupt(): Promise<void>;
  /** Sends what no version of ours would send. */
  sendRaw(channelName: string, payload: string): Promise<void>;
  close(): Promise<void>;
}

/** Every promise of `PubSub`, for one implementation. */
export function pubSubContract(openLab: () => Promise<PubSubLab>): void {
  let lab: PubSubLab;
  let opened: PubSub[] = [];
  let count = 0;
  let prefix = "";

  beforeAll(async () => {
    lab = await openLab();
  }, 60_000);
  afterEach(async () => {
    await Promise.all(opened.map((pubSub) => pubSub.close()));
    opened = [];
  });
  afterAll(async () => await lab.close());

  async function open(ofPrefix?: string): Promise<PubSub> {
    if (ofPrefix === undefined && opened.length === 0) prefix = `p${(count += 1)}`;
    const pubSub = await lab.open(ofPrefix ?? prefix);
    opened.push(pubSub);
    return pubSub;
  }

  const events = (...seqs: number[]): RunEvents => ({
    runs: seqs.map((seq) => ({ runId: newId(), seq, isRunEvent: seq % 2 === 0 })),
  });
  const settle = (ms = 300) => new Promise((resolve) => setTimeout(resolve, ms));

  it("brings a message to every subscriber of every process, the publisher's own included", async () => {
    const [one, other] = [await open(), await open()];
    const heard: [string, RunEvents][] = [];
    await one.subscribe("run-events", (message) => heard.push(["one", message]));
    await one.subscribe("run-events", (message) => heard.push(["one again", message]));
    await other.subscribe("run-events", (message) => heard.push(["other", message]));
    const message = events(1, 2);
    await one.publish("run-events", message);
    await eventually("three arrivals", () => heard.length === 3);
    expect(heard.map(([who]) => who).sort()).toEqual(["one", "one again", "other"]);
    for (const [, arrived] of heard) expect(arrived).toEqual(message);
  });

  it("keeps the order of one publisher's messages", async () => {
    const [one, other] = [await open(), await open()];
    const seqs: number[] = [];
    await other.subscribe("run-events", ({ runs }) => seqs.push(...runs.map(({ seq }) => seq)));
    await Promise.all(Array.from({ length: 200 }, (_, seq) => one.publish("run-events", events(seq))));
    await eventually("all", () => seqs.length === 200);
    expect(seqs).toEqual(Array.from({ length: 200 }, (_, seq) => seq));
  });

  it("keeps channels and installations apart", async () => {
    const [one, elsewhere] = [await open(), await open("elsewhere")];
    const heard: unknown[] = [];
    const orders: unknown[] = [];
    await one.subscribe("run-events", (message) => heard.push(message));
    await one.subscribe("control", (message) => orders.push(message));
    await elsewhere.publish("run-events", events(1));
    await elsewhere.publish("control", { type: "stop-run", runId: "theirs", below: 1 });
    await one.publish("control", { type: "stop-run", runId: "ours", below: 1 });
    await eventually("the order", () => orders.length > 0);
    await settle();
    expect(orders).toEqual([{ type: "stop-run", runId: "ours", below: 1 }]);
    expect(heard).toEqual([]);
  });

  it("carries long lists of runs", async () => {
    const [one, other] = [await open(), await open()];
    const arrived: RunEvents["runs"][number][] = [];
    await other.subscribe("run-events", ({ runs }) => arrived.push(...runs));
    const message = events(...Array.from({ length: 1000 }, (_, seq) => seq));
    await one.publish("run-events", message);
    await eventually("all", () => arrived.length === 1000);
    expect(arrived).toEqual(message.runs);
  });

  it("stops a subscription, and only that one", async () => {
    const one = await open();
    const first: unknown[] = [];
    const second: unknown[] = [];
    const listen = (message: unknown): void => void first.push(message);
    const stop = await one.subscribe("run-events", listen);
    const stopOther = await one.subscribe("run-events", (message) => second.push(message));
    await stop();
    await stop();
    await one.publish("run-events", events(1));
    await eventually("the other", () => second.length === 1);
    await stopOther();
    await one.publish("run-events", events(2));
    await settle();
    expect(first).toEqual([]);
    expect(second).toHaveLength(1);
    await one.subscribe("run-events", listen);
    await one.publish("run-events", events(3));
    await eventually("after subscribing anew", () => first.length === 1);
  });

  it("keeps one subscriber's fault from the others", async () => {
    const one = await open();
    const heard: unknown[] = [];
    await one.subscribe("run-events", () => {
      throw new Error("broken");
    });
    await one.subscribe("run-events", (message) => heard.push(message));
    await one.publish("run-events", events(1));
    await one.publish("run-events", events(2));
    await eventually("both", () => heard.length === 2);
  });

  it("drops what it cannot read, and lives on", async () => {
    const one = await open();
    const heard: unknown[] = [];
    await one.subscribe("run-events", (message) => heard.push(message));
    const bad = ["{", "null", '{"runs":[{"runId":1}]}', ""];
    for (const payload of bad) await lab.sendRaw(`${prefix}:run-events`, payload);
    await lab.sendRaw(
      `${prefix}:run-events`,
      '{"runs":[{"runId":"a","seq":1,"isRunEvent":true,"new":1}],"x":1}',
    );
    await eventually("the good one", () => heard.length > 0);
    expect(heard).toEqual([{ runs: [{ runId: "a", seq: 1, isRunEvent: true }] }]);
  });

  it("comes back after a lost connection, says so, and hears again", async () => {
    const [one, other] = [await open(), await open()];
    const seqs: number[] = [];
    let reconnects = 0;
    await other.subscribe("run-events", ({ runs }) => seqs.push(...runs.map(({ seq }) => seq)));
    other.onReconnect(() => {
      throw new Error("broken");
    });
    other.onReconnect(() => {
      reconnects += 1;
    });
    await lab.interrupt();
    await eventually("the reconnection", () => reconnects === 1);
    await eventually("publishing again", () =>
      one.publish("run-events", events(7)).then(
        () => true,
        () => false,
      ),
    );
    await eventually("hearing again", () => seqs.includes(7));
    const late: unknown[] = [];
    await other.subscribe("control", (message) => late.push(message));
    await one.publish("control", { type: "stop-run", runId: "r", below: 1 });
    await eventually("a later subscription", () => late.length === 1);
    expect(reconnects).toBe(1);
  });

  it("refuses to publish when closed, and closes twice without harm", async () => {
    const one = await open();
    await one.close();
    await one.close();
    await expect(one.publish("run-events", events(1))).rejects.toThrow();
  });
}
