import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.js";
import type { ChaosClient } from "./chaos-client.js";
import type { ChaosInstallation } from "./chaos-installation.js";

/** What is done to an installation, and how often beside the others. */
const WEIGHTS = {
  killWorker: 34,
  pauseWorker: 12,
  drainWorker: 8,
  killApi: 14,
  killScheduler: 6,
  flushRedis: 9,
  killRedis: 9,
  silenceRedis: 6,
  restartPostgres: 8,
} as const;
export type BlowKind = keyof typeof WEIGHTS;
const BLOW_KINDS = Object.keys(WEIGHTS) as BlowKind[];

/** One blow. */
export interface Blow {
  readonly kind: BlowKind;
  readonly at: number;
  /** The worker's process that was struck. */
  readonly pid?: number | undefined;
  /** When what was struck could be used again: its server answered, or the process was ready. */
  backAt?: number;
}

/** A worker's lease lasts 12 s: after more than that its steps belong to others. */
const LONGER_THAN_A_LEASE = [13_000, 17_000] as const;
const READY_LIMIT_MS = 60_000;
/** Blows of which what was struck is not back yet. */
const MOST_AT_ONCE = 2;

/** Strikes every few seconds until it is told to stop. Same seed, same blows. */
export class ChaosBlows {
  readonly dealt: Blow[] = [];
  readonly #installation: ChaosInstallation;
  readonly #client: ChaosClient;
  readonly #random: Random;
  readonly #underWay = new Set<Promise<void>>();
  /** Servers that are down already are not struck again. */
  readonly #down = new Set<BlowKind>();
  readonly #weights: Record<BlowKind, number>;
  #isOver = false;

  constructor(
    installation: ChaosInstallation,
    client: ChaosClient,
    random: Random,
    kinds: readonly BlowKind[] = BLOW_KINDS,
  ) {
    this.#installation = installation;
    this.#client = client;
    this.#random = random;
    const isDealt = (kind: BlowKind) =>
      kinds.includes(kind) && (installation.redis !== undefined || !kind.endsWith("Redis"));
    this.#weights = { ...WEIGHTS };
    for (const kind of BLOW_KINDS) if (!isDealt(kind)) this.#weights[kind] = 0;
  }

  /** Resolves after {@link ChaosBlows.stop}, when all that was struck is back. */
  async run(): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#random.int(800, 4500));
      // a slow machine must not end up with processes that die before they have ever worked
      while (this.#underWay.size >= MOST_AT_ONCE) await sleep(50);
      if (this.#isOver) break;
      const blow = this.#strike(this.#random.weighted(this.#weights));
      const done = blow
        .catch((error: unknown) => console.error(error))
        .finally(() => this.#underWay.delete(done));
      this.#underWay.add(done);
    }
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #strike(kind: BlowKind): Promise<void> {
    const { workers, api, scheduler, redis } = this.#installation;
    const worker = this.#random.pick(workers);
    const isOfWorker = kind === "killWorker" || kind === "pauseWorker" || kind === "drainWorker";
    const blow: Blow = { kind, at: Date.now(), pid: isOfWorker ? worker.current?.pid : undefined };
    const pauseMs = this.#random.int(...LONGER_THAN_A_LEASE);
    const downMs = this.#random.int(200, 4000);
    if (this.#down.has(kind) || (isOfWorker && !worker.current)) return;
    if (!isOfWorker) this.#down.add(kind);
    this.dealt.push(blow);
    switch (kind) {
      case "killWorker":
      case "drainWorker":
        await this.#end(worker, kind === "killWorker" ? "SIGKILL" : "SIGTERM");
        break;
      case "pauseWorker":
        worker.strike("SIGSTOP");
        await sleep(pauseMs);
        worker.strike("SIGCONT");
        break;
      case "killApi":
        await this.#untilAsked();
        await this.#end(api, "SIGKILL");
        break;
      case "killScheduler":
        await this.#end(scheduler, "SIGKILL");
        break;
      case "flushRedis":
        await redis?.flush();
        break;
      case "killRedis":
        await redis?.kill();
        await sleep(downMs);
        await redis?.start();
        break;
      case "silenceRedis":
        this.#installation.silenceRedis();
        break;
      case "restartPostgres":
        await this.#installation.restartPostgres(downMs / 4);
        break;
    }
    blow.backAt = Date.now();
    this.#down.delete(kind);
  }

  /** The API dies with a request in hand. */
  async #untilAsked(): Promise<void> {
    for (const deadline = Date.now() + 2000; this.#client.pending === 0 && Date.now() < deadline; )
      await sleep(1);
    await sleep(this.#random.int(0, 12));
  }

  async #end(role: ChaosInstallation["api"], signal: NodeJS.Signals): Promise<void> {
    const { starts } = role;
    role.strike(signal);
    for (const deadline = Date.now() + READY_LIMIT_MS; role.starts === starts && Date.now() < deadline; )
      await sleep(20);
  }
}
