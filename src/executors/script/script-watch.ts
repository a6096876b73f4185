import type { JsonObject } from "../../core/json.js";
import type { ExecutionContext, SandboxProcess } from "../types.js";
import { type ControlMessage, createControlChannel } from "./control-channel.js";
import { cleanText, createLineSplitter } from "./line-splitter.js";
import { createLineTail } from "./line-tail.js";
import { createStdoutCapture, type StdoutCapture } from "./output-value.js";
import { createProgressThrottle } from "./progress-throttle.js";

/** What a script has said so far. */
export interface ScriptWatch {
  readonly stdout: StdoutCapture;
  /** The last lines of stderr, for errors that the harness could not report. */
  readonly stderrTail: readonly string[];
  /** The message that ended it, if one came. */
  readonly ending: Extract<ControlMessage, { type: "result" | "error" | "exit" }> | undefined;
  /** Whether the script defines `main`; undefined when it did not get so far. */
  readonly hasMain: boolean | undefined;
  readonly isOversized: boolean;
  /** Hands out lines without an end and progress that was held back. */
  finish(): void;
}

/** Things that the executor acts upon. */
export interface ScriptWatchEvents {
  onResult(): void;
  onOverflow(): void;
}

const TAIL_LINES = 20;

/** Turns a script's pipes into events of its step as they come, and keeps what decides its outcome. */
export function watchScript(
  child: SandboxProcess,
  { emit, limits }: ExecutionContext,
  events: ScriptWatchEvents,
): ScriptWatch {
  const state: { -readonly [Key in keyof ScriptWatch]: ScriptWatch[Key] } = {
    stdout: createStdoutCapture(limits.maxOutputBytes),
    stderrTail: [],
    ending: undefined,
    hasMain: undefined,
    isOversized: false,
    finish,
  };
  const tail = createLineTail(TAIL_LINES);
  state.stderrTail = tail.lines;
  const stdoutLines = createLineSplitter((line, cut) => emit.log("stdout", line, cut));
  const stderrLines = createLineSplitter((line, cut) => {
    emit.log("stderr", line, cut);
    tail.push(line, cut);
  });
  const progress = createProgressThrottle((data) => emit.progress(data));
  const control = createControlChannel({
    maxOutputBytes: limits.maxOutputBytes,
    onMessage: take,
    onOverflow() {
      state.isOversized = true;
      events.onOverflow();
    },
  });

  function take(message: ControlMessage): void {
    if (message.type === "progress") {
      progress.report(toProgress(message));
    } else if (message.type === "mode") {
      state.hasMain = message.main;
      if (message.main) state.stdout.drop();
    } else if (!state.ending) {
      state.ending = message;
      if (message.type === "result") events.onResult();
    }
  }

  function finish(): void {
    stdoutLines.flush();
    stderrLines.flush();
    progress.flush();
  }

  child.onStdout((chunk) => {
    state.stdout.push(chunk);
    stdoutLines.push(chunk);
  });
  child.onStderr((chunk) => stderrLines.push(chunk));
  child.onControl((chunk) => control.push(chunk));
  child.onNotice?.((line) => emit.log("system", line));
  return state;
}

function toProgress({ value, message }: Extract<ControlMessage, { type: "progress" }>): JsonObject {
  return { value, ...(message !== undefined && { message: cleanText(message).slice(0, 1_000) }) };
}
