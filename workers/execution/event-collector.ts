import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../../src/core/json.js";
import type { EventDraft } from "../../src/core/transition.js";
import type { ExecutorEmitter, LogStream } from "../../src/executors/types.js";
import { createLogLines } from "./log-lines.js";
import { createCutLines, type CutLines, type StreamMask } from "./secret-mask.js";

/** Lines and tokens are gathered this long before they become an event. */
const FLUSH_AFTER_MS = 100;
/** …or until they are this large. */
const FLUSH_BYTES = 64 * 1024;
/** What may wait for the database before lines are dropped, and counted. */
const MOST_WAITING_BYTES = 8 * 1024 * 1024;

/** A batch is tried again for about ten minutes. */
const MOST_TRIES = 300;
const LONGEST_PAUSE_MS = 2000;

/** What a line costs beside its text. */
const LINE_OVERHEAD_BYTES = 64;

/** The dependencies of a collector. */
export interface EventCollectorDeps {
  readonly mask: StreamMask;
  readonly maxLogBytes: number;
  /** Submits events in order; resolves when they are committed or refused. */
  submit(events: readonly EventDraft[]): Promise<unknown>;
  /** Whether what kept events from being committed may pass: they are then tried again, in order. */
  mayPass(error: unknown): boolean;
  /** Called when events could not be committed; the execution goes on. */
  onLost(error: unknown): void;
}

/**
 * Turns what an execution emits into events: lines in batches, tokens joined, of several progress reports in
 * one batch the last and every milestone. Order is kept; a slow database slows nobody, it only makes batches larger.
 */
export class EventCollector implements ExecutorEmitter {
  readonly #deps: EventCollectorDeps;
  #drafts: EventDraft[] = [];
  /** The report that a later one may take the place of. */
  #replaceable: EventDraft | undefined;
  readonly #openLines = createLogLines();
  #waitingBytes = 0;
  #batchBytes = 0;
  #logBytes = 0;
  #dropped = 0;
  /** Text that may be the beginning of a secret: shown once what follows says whether it is. */
  #heldBack = "";
  #isTruncated = false;
  #timer: NodeJS.Timeout | undefined;
  /** Set while batches that could not be stored are tried again. */
  #backlog: Promise<void> | undefined;

  readonly #cutLines: CutLines<LogStream>;

  constructor(deps: EventCollectorDeps) {
    this.#deps = deps;
    this.#cutLines = createCutLines(deps.mask);
  }

  log(stream: LogStream, message: string, cut?: { readonly continues: boolean }): void {
    if (this.#isTruncated) return;
    this.#take(stream, this.#cutLines.mask(stream, storable(message), cut));
  }

  #take(stream: LogStream, text: string): void {
    const bytes = text.length + LINE_OVERHEAD_BYTES;
    this.#logBytes += bytes;
    if (this.#logBytes > this.#deps.maxLogBytes) {
      this.#isTruncated = true;
      this.#addLine("system", `log truncated after ${this.#deps.maxLogBytes} bytes`);
      return this.#later(LINE_OVERHEAD_BYTES);
    }
    if (this.#waitingBytes + bytes > MOST_WAITING_BYTES) {
      this.#dropped += 1;
      return;
    }
    this.#confessDrops();
    this.#addLine(stream, text);
    this.#later(bytes);
  }

  progress(data: JsonObject, { isMilestone = false }: { readonly isMilestone?: boolean } = {}): void {
    this.#closeLines();
    const last = this.#drafts.at(-1);
    if (!isMilestone && last !== undefined && last === this.#replaceable) this.#drafts.pop();
    const draft: EventDraft = { type: "step.progress", data: this.#deps.mask.cut(data) };
    this.#drafts.push(draft);
    this.#replaceable = isMilestone ? undefined : draft;
    this.#later(isMilestone ? JSON.stringify(data).length : LINE_OVERHEAD_BYTES);
  }

  token(text: string): void {
    const pending = this.#heldBack + text;
    const shownLength = pending.length - this.#deps.mask.countOpenEnd(pending);
    this.#heldBack = pending.slice(shownLength);
    if (shownLength > 0) this.#addToken(pending.slice(0, shownLength));
  }

  #addToken(text: string): void {
    this.#closeLines();
    const last = this.#drafts.at(-1);
    const before = last?.type === "step.token" ? (last.data as { text: string }).text : "";
    if (last?.type === "step.token") this.#drafts.pop();
    const masked = this.#deps.mask.text(storable(text));
    this.#drafts.push({ type: "step.token", data: { text: before + masked } });
    this.#later(masked.length);
  }

  /**
   * Submits what is left. Resolves at once unless the database is away (what is submitted next is committed after it, in
   * the same flush); then when all is stored, or given up.
   */
  async finish(): Promise<void> {
    if (this.#heldBack !== "") this.#addToken(this.#heldBack);
    this.#heldBack = "";
    for (const { stream, text } of this.#cutLines.end()) if (!this.#isTruncated) this.#take(stream, text);
    this.#confessDrops();
    this.#flush();
    await this.#backlog;
  }

  #addLine(stream: LogStream, message: string): void {
    this.#openLines.add(stream, message);
  }

  #confessDrops(): void {
    if (this.#dropped === 0) return;
    const message = `${this.#dropped} lines dropped: the log could not be stored as fast as it was written`;
    this.#addLine("system", message);
    this.#dropped = 0;
  }

  #closeLines(): void {
    if (!this.#openLines.isEmpty) this.#drafts.push({ type: "step.log", data: this.#openLines.take() });
  }

  #later(bytes: number): void {
    this.#batchBytes += bytes;
    this.#waitingBytes += bytes;
    if (this.#batchBytes >= FLUSH_BYTES) return this.#flush();
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_AFTER_MS);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#closeLines();
    if (this.#drafts.length === 0) return;
    const batch = this.#drafts;
    const bytes = this.#batchBytes;
    this.#drafts = [];
    this.#batchBytes = 0;
    const sending = this.#backlog
      ? this.#queueUp(batch, 0)
      : this.#deps.submit(batch).catch(async (error: unknown) => {
          if (this.#deps.mayPass(error)) await this.#queueUp(batch, 1);
          else this.#deps.onLost(error);
        });
    void sending.finally(() => {
      this.#waitingBytes -= bytes;
    });
  }

  /** From the first batch that could not be stored on, they go one after the other, until none is left. */
  async #queueUp(batch: readonly EventDraft[], tries: number): Promise<void> {
    const backlog = (this.#backlog ?? Promise.resolve()).then(() => this.#sendAgain(batch, tries));
    this.#backlog = backlog;
    await backlog;
    if (this.#backlog === backlog) this.#backlog = undefined;
  }

  async #sendAgain(batch: readonly EventDraft[], triesBefore: number): Promise<void> {
    for (let tries = triesBefore; tries < MOST_TRIES; tries += 1) {
      if (tries > 0) await sleep(Math.min(100 * 2 ** tries, LONGEST_PAUSE_MS));
      try {
        await this.#deps.submit(batch);
        return;
      } catch (error) {
        if (!this.#deps.mayPass(error) || tries === MOST_TRIES - 1) return this.#deps.onLost(error);
      }
    }
  }
}

/** PostgreSQL's jsonb refuses NUL and lone surrogates. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}
