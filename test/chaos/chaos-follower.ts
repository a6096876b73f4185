import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.js";
import { openSse } from "../support/sse-client.js";

/** What a follower was told, in the order in which it came. */
export interface ReceivedEvent {
  readonly seq: number;
  readonly type: string;
  readonly stepId: string | undefined;
}

const RECONNECT_MS = 300;

/** A client that follows a run by its event stream, drops it now and then, and resumes after the last event it had. */
export class ChaosFollower {
  readonly runId: string;
  readonly received: ReceivedEvent[] = [];
  /** Told by the server that there is nothing more. */
  isDone = false;
  /** Connections that it has opened. */
  connections = 0;
  readonly #url: string;
  readonly #token: string;
  readonly #random: Random;
  #isStopped = false;

  constructor(address: string, token: string, runId: string, random: Random) {
    this.runId = runId;
    this.#url = `${address}/api/v1/workflow-runs/${runId}/stream`;
    this.#token = token;
    this.#random = random;
  }

  /** Resolves when it is done, or was told to stop. */
  async run(): Promise<void> {
    while (!this.isDone && !this.#isStopped) {
      await this.#connect().catch(() => undefined);
      if (!this.isDone) await sleep(RECONNECT_MS);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #connect(): Promise<void> {
    const last = this.received.at(-1)?.seq;
    const headers = {
      authorization: `Bearer ${this.#token}`,
      ...(last === undefined ? {} : { "last-event-id": String(last) }),
    };
    this.connections += 1;
    const client = await openSse(this.#url, headers);
    if (client.status === 204) this.isDone = true;
    if (client.status !== 200) return client.close();
    let left = this.#random.chance(0.5) ? this.#random.int(1, 12) : Number.POSITIVE_INFINITY;
    const limit = setTimeout(() => client.close(), this.#random.int(500, 20_000));
    try {
      for await (const frame of client.frames) {
        if (frame.event === "end") this.isDone = true;
        if (frame.event === "end") break;
        if (frame.id === undefined) continue;
        const { seq, type, stepId } = JSON.parse(frame.data) as ReceivedEvent;
        this.received.push({ seq, type, stepId });
        left -= 1;
        if (left <= 0) break;
      }
    } finally {
      clearTimeout(limit);
      client.close();
    }
  }
}
