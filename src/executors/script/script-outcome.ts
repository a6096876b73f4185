import type { JsonObject, JsonValue } from "../../core/json.js";
import { ExecutionError, type SandboxExit } from "../types.js";
import type { ControlMessage } from "./control-channel.js";
import { cleanText } from "./line-splitter.js";
import { assertStorable, oversizedOutput } from "./output-value.js";
import type { ScriptWatch } from "./script-watch.js";

const HEAP_EXHAUSTED =
  /JavaScript heap out of memory|Fatal process out of memory|Array buffer allocation failed/;
const MAX_MESSAGE = 4_000;
const MAX_TRACEBACK = 16_384;

/**
 * What a script that has ended gives: its output, or why there is none.
 * @throws ExecutionError that tells a fault of the script, too much memory, a bad output and a signal apart.
 */
export function toScriptOutput(exit: SandboxExit, watch: ScriptWatch, maxOutputBytes: number): JsonValue {
  if (watch.isOversized) throw oversizedOutput(maxOutputBytes);
  // What main returned counts, whatever became of the process while it was closing down.
  if (watch.ending?.type === "result") return assertStorable(watch.ending.output);
  if (exit.outOfMemory || hasExhaustedHeap(exit, watch)) {
    throw new ExecutionError("out_of_memory", "The script used more memory than its memoryMb allows", {
      details: toDetails(exit, watch),
    });
  }
  if (exit.outOfDisk) {
    throw new ExecutionError(
      "script_error",
      "The script filled its work folder beyond what a step may keep there",
      {
        details: toDetails(exit, watch),
      },
    );
  }
  if (watch.ending?.type === "error") throw toScriptError(watch.ending, exit, watch);
  if (exit.signal) throw toSignalError(exit.signal, exit, watch);
  if (exit.exitCode !== 0) {
    throw new ExecutionError("script_error", `The script ended with exit code ${exit.exitCode}`, {
      details: toDetails(exit, watch),
    });
  }
  if (!watch.hasMain) return watch.stdout.toOutput();
  // sys.exit() and process.exit() with code 0 inside main: done, with nothing to say.
  if (watch.ending?.type === "exit") return null;
  throw new ExecutionError("script_error", "The script ended before main returned", {
    details: toDetails(exit, watch),
  });
}

/** V8 aborts (SIGABRT, or 134 by way of a shell) when its heap is full, which no code of ours can report. */
function hasExhaustedHeap(exit: SandboxExit, watch: ScriptWatch): boolean {
  const isAbort = exit.signal === "SIGABRT" || exit.signal === "SIGTRAP" || exit.exitCode === 134;
  const isRangeError = watch.ending?.type === "error" && HEAP_EXHAUSTED.test(watch.ending.message);
  return isRangeError || (isAbort && watch.stderrTail.some((line) => HEAP_EXHAUSTED.test(line)));
}

function toScriptError(
  ending: Extract<ControlMessage, { type: "error" }>,
  exit: SandboxExit,
  watch: ScriptWatch,
): ExecutionError {
  const message = cleanText(ending.message).slice(0, MAX_MESSAGE);
  if (ending.code === "invalid_output") {
    return new ExecutionError("invalid_output", capitalise(message), {
      details: { path: cleanText(ending.path ?? "").slice(0, 200) },
    });
  }
  return new ExecutionError(ending.code, message, {
    ...(ending.retryable !== undefined && { retryable: ending.retryable }),
    details: {
      ...(ending.traceback !== undefined && { traceback: cleanText(ending.traceback).slice(-MAX_TRACEBACK) }),
      ...toDetails({ ...exit, exitCode: null }, watch),
    },
  });
}

function toSignalError(signal: NodeJS.Signals, exit: SandboxExit, watch: ScriptWatch): ExecutionError {
  const details = toDetails(exit, watch);
  if (signal === "SIGXCPU") {
    return new ExecutionError("timeout", "The script used more processor time than its time-out allows", {
      details,
    });
  }
  return new ExecutionError("script_error", `The script was ended by the signal ${signal}`, { details });
}

function toDetails(exit: SandboxExit, watch: ScriptWatch): JsonObject {
  return {
    ...(exit.exitCode !== null && { exitCode: exit.exitCode }),
    ...(exit.signal && { signal: exit.signal }),
    ...(watch.stderrTail.length > 0 && { stderr: watch.stderrTail.join("\n").slice(-MAX_MESSAGE) }),
  };
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
