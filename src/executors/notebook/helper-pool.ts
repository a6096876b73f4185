import type { WarmGround } from "../types.js";
import { type HelperFit, type NotebookHelper, startHelper } from "./notebook-helper.js";

/** The dependencies of a pool. */
export interface HelperPoolDeps {
  readonly ground: WarmGround;
  findPython(): Promise<string>;
  /** How long an idle helper is kept. */
  readonly idleMs?: number;
}

/** A ready helper holds about 150 MiB, so few are kept: as many as ran at once, within these bounds. */
const MOST_OF_A_KIND = 2;
const MOST_OF_ALL = 4;
const IDLE_MS = 10 * 60_000;
/** A new helper's start costs two seconds of a processor, which the execution that has just begun comes before. */
const REFILL_AFTER_MS = 300;
/** Its own executions are ended by their time-outs; the limit that the sandbox sets at the start cannot know them. */
const LONGEST_SECONDS = 86_400;

interface Entry {
  readonly key: string;
  readonly fit: HelperFit;
  /** Set as soon as there is one. */
  workdir?: string;
  helper?: NotebookHelper;
}

/**
 * Helpers that stand ready, each with a kernel that nobody has used, for the kinds of executions that were seen last.
 * One serves one execution.
 */
export class HelperPool {
  readonly #deps: HelperPoolDeps;
  /** In the order of their starts. */
  readonly #idle = new Set<Entry>();
  readonly #taken = new Map<string, NotebookHelper>();
  readonly #running = new Map<string, number>();
  readonly #background = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  constructor(deps: HelperPoolDeps) {
    this.#deps = deps;
  }

  /** A work folder in which a ready helper stands that fits; it is the caller's from now on. */
  take(fit: HelperFit): string | undefined {
    const key = keyOf(fit);
    const entry = [...this.#idle].find((each) => each.key === key && each.helper?.isReady());
    if (!entry?.helper || entry.workdir === undefined) return undefined;
    this.#idle.delete(entry);
    this.#taken.set(entry.workdir, entry.helper);
    return entry.workdir;
  }

  /** The helper in a folder that was taken. Once. */
  claim(workdir: string): NotebookHelper | undefined {
    const helper = this.#taken.get(workdir);
    this.#taken.delete(workdir);
    return helper;
  }

  /** Says that an execution of this kind has begun, so that the next finds a helper ready. @returns to be called at its end. */
  expect(fit: HelperFit): () => void {
    const key = keyOf(fit);
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
    this.#later(REFILL_AFTER_MS, () => this.#refill(fit));
    return () => {
      const left = (this.#running.get(key) ?? 1) - 1;
      if (left > 0) this.#running.set(key, left);
      else this.#running.delete(key);
    };
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#taken.values()].map((helper) => helper.kill()));
    for (const entry of this.#idle) this.#inBackground(() => this.#drop(entry));
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  #refill(fit: HelperFit): void {
    const key = keyOf(fit);
    const wanted = Math.min(MOST_OF_A_KIND, Math.max(1, this.#running.get(key) ?? 0));
    const isOfKind = (entry: Entry): boolean => entry.key === key;
    if (this.#isClosed || [...this.#idle].filter(isOfKind).length >= wanted) return;
    if (this.#idle.size >= MOST_OF_ALL) {
      const oldest = [...this.#idle].find((entry) => !isOfKind(entry));
      if (oldest) this.#inBackground(() => this.#drop(oldest));
    }
    const entry: Entry = { key, fit };
    this.#idle.add(entry);
    this.#inBackground(() => this.#fill(entry));
  }

  async #fill(entry: Entry): Promise<void> {
    const { ground, findPython, idleMs = IDLE_MS } = this.#deps;
    try {
      const python = await findPython();
      const workdir = await ground.makeWorkdir();
      entry.workdir = workdir;
      entry.helper = await startHelper({
        ...entry.fit,
        sandbox: ground.sandbox,
        python,
        workdir,
        timeoutSeconds: LONGEST_SECONDS,
      });
    } catch {
      return this.#drop(entry); // the next execution starts its own, and tells why that fails
    }
    const isWanted = (): boolean => this.#idle.has(entry);
    if (this.#isClosed || !isWanted()) return this.#drop(entry);
    const dropIfIdle = (): void => void (isWanted() && this.#inBackground(() => this.#drop(entry)));
    void entry.helper.exited.then(dropIfIdle);
    this.#later(idleMs, dropIfIdle);
  }

  async #drop(entry: Entry): Promise<void> {
    this.#idle.delete(entry);
    const { workdir, helper } = entry;
    await helper?.kill();
    if (workdir !== undefined) await this.#deps.ground.removeWorkdir(workdir);
  }

  /** Work that `close` waits for; if it fails, nothing stands ready, and that is all. */
  #inBackground(work: () => Promise<void>): void {
    const done = work().catch(() => undefined);
    this.#background.add(done);
    void done.finally(() => this.#background.delete(done));
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }
}

function keyOf({ kernel, memoryMb, network }: HelperFit): string {
  return `${kernel} ${memoryMb} ${network}`;
}
