import type { LogLine } from "../../src/contracts/run-events.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { EventDraft } from "../../src/core/transition.js";
import type { ExecutorEmitter, LogStream } from "../../src/executors/types.js";
import type { SecretMask } from "./secret-mask.js";

/** Lines and tokens are gathered this long before they become an event. */
const FLUSH_AFTER_MS = 100;
/** …or until they are this large. */
const FLUSH_BYTES = 64 * 1024;
/** What may wait for the database before lines are dropped, and counted. */
const MOST_WAITING_BYTES = 8 * 1024 * 1024;

/** The dependencies of a collector. */
export interface EventCollectorDeps {
  readonly mask: SecretMask;
  readonly maxLogBytes: number;
  /** Submits events in order; resolves when they are committed or refused. */
  submit(events: readonly EventDraft[]): Promise<unknown>;
  /** Called when events could not be committed; the execution goes on. */
  onLost(error: unknown): void;
}

/**
 * Turns what an execution emits into events: lines in batches, tokens joined, of several progress reports in
 * one batch the last. Order is kept; a slow database slows nobody, it only makes batches larger.
 */
export function createEventCollector(deps: EventCollectorDeps) {
  let drafts: EventDraft[] = [];
  let openLines: LogLine[] = [];
  let waitingBytes = 0;
  let batchBytes = 0;
  let logBytes = 0;
  let dropped = 0;
  let isTruncated = false;
  let timer: NodeJS.Timeout | undefined;

  function line(stream: LogStream, message: string): void {
    openLines.push({ at: new Date().toISOString(), stream, message });
  }

  function log(stream: LogStream, message: string): void {
    const text = deps.mask.text(storable(message));
    if (isTruncated) return;
    logBytes += text.length;
    if (logBytes > deps.maxLogBytes) {
      isTruncated = true;
      line("system", `log truncated after ${deps.maxLogBytes} bytes`);
      return later(64);
    }
    if (waitingBytes + text.length > MOST_WAITING_BYTES) {
      dropped += 1;
      return;
    }
    if (dropped > 0) {
      line("system", `${dropped} lines dropped: the log could not be stored as fast as it was written`);
      dropped = 0;
    }
    line(stream, text);
    later(text.length + 64);
  }

  function closeLines(): void {
    if (openLines.length === 0) return;
    drafts.push({ type: "step.log", data: { lines: openLines as unknown as JsonValue } });
    openLines = [];
  }

  function progress(data: JsonObject): void {
    closeLines();
    const last = drafts.at(-1);
    if (last?.type === "step.progress") drafts.pop();
    drafts.push({ type: "step.progress", data: deps.mask.json(data) });
    later(128);
  }

  function token(text: string): void {
    closeLines();
    const last = drafts.at(-1);
    const masked = deps.mask.text(storable(text));
    const before = last?.type === "step.token" ? (last.data as { text: string }).text : "";
    if (last?.type === "step.token") drafts.pop();
    drafts.push({ type: "step.token", data: { text: before + masked } });
    later(masked.length);
  }

  function later(bytes: number): void {
    batchBytes += bytes;
    waitingBytes += bytes;
    if (batchBytes >= FLUSH_BYTES) return flush();
    timer ??= setTimeout(flush, FLUSH_AFTER_MS);
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    closeLines();
    if (drafts.length === 0) return;
    const batch = drafts;
    const bytes = batchBytes;
    drafts = [];
    batchBytes = 0;
    deps
      .submit(batch)
      .catch(deps.onLost)
      .finally(() => {
        waitingBytes -= bytes;
      });
  }

  const emitter: ExecutorEmitter = { log, progress, token };
  return {
    emitter,
    /** Submits what is left. Not awaited: what is submitted next is committed after it, in the same flush. */
    finish(): void {
      if (dropped > 0) line("system", `${dropped} lines dropped: the log could not be stored as fast as it was written`);
      flush();
    },
  };
}

/** PostgreSQL's jsonb refuses NUL and lone surrogates. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}
