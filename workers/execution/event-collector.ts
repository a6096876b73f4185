import type { LogLine } from "../../src/contracts/run-events.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { EventDraft } from "../../src/core/transition.js";
import type { ExecutorEmitter, LogStream } from "../../src/executors/types.js";
import type { StreamMask } from "./secret-mask.js";

/** Lines and tokens are gathered this long before they become an event. */
const FLUSH_AFTER_MS = 100;
/** …or until they are this large. */
const FLUSH_BYTES = 64 * 1024;
/** What may wait for the database before lines are dropped, and counted. */
const MOST_WAITING_BYTES = 8 * 1024 * 1024;

/** What a line costs beside its text. */
const LINE_OVERHEAD_BYTES = 64;

/** The dependencies of a collector. */
export interface EventCollectorDeps {
  readonly mask: StreamMask;
  readonly maxLogBytes: number;
  /** Submits events in order; resolves when they are committed or refused. */
  submit(events: readonly EventDraft[]): Promise<unknown>;
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
  #openLines: LogLine[] = [];
  #waitingBytes = 0;
  #batchBytes = 0;
  #logBytes = 0;
  #dropped = 0;
  /** Text that may be the beginning of a secret: shown once what follows says whether it is. */
  #heldBack = "";
  #isTruncated = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: EventCollectorDeps) {
    this.#deps = deps;
  }

  log(stream: LogStream, message: string): void {
    if (this.#isTruncated) return;
    const text = this.#deps.mask.text(storable(message));
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
    const draft: EventDraft = { type: "step.progress", data: this.#deps.mask.json(data) };
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

  /** Submits what is left. Not awaited: what is submitted next is committed after it, in the same flush. */
  finish(): void {
    if (this.#heldBack !== "") this.#addToken(this.#heldBack);
    this.#heldBack = "";
    this.#confessDrops();
    this.#flush();
  }

  #addLine(stream: LogStream, message: string): void {
    this.#openLines.push({ at: new Date().toISOString(), stream, message });
  }

  #confessDrops(): void {
    if (this.#dropped === 0) return;
    const message = `${this.#dropped} lines dropped: the log could not be stored as fast as it was written`;
    this.#addLine("system", message);
    this.#dropped = 0;
  }

  #closeLines(): void {
    if (this.#openLines.length === 0) return;
    this.#drafts.push({ type: "step.log", data: { lines: this.#openLines as unknown as JsonValue } });
    this.#openLines = [];
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
    void this.#deps
      .submit(batch)
      .catch(this.#deps.onLost)
      .finally(() => {
        this.#waitingBytes -= bytes;
      });
  }
}

/** PostgreSQL's jsonb refuses NUL and lone surrogates. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}
