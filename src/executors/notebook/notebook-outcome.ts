import type { JsonObject, JsonValue } from "../../core/json.js";
import { cleanText } from "../script/line-splitter.js";
import { assertStorable, oversizedOutput } from "../script/output-value.js";
import { ExecutionError } from "../types.js";
import type { HelperMessageOf } from "./helper-messages.js";
import type { NotebookEnding } from "./notebook-run.js";

const MAX_MESSAGE = 4_000;
const MAX_TRACEBACK = 16_384;

/**
 * The result of a notebook whose cells have ended.
 * @throws ExecutionError that tells an error of a cell, the kernel's death, too much memory and a bad result apart.
 */
export function toNotebookResult(ending: NotebookEnding, maxOutputBytes: number): JsonValue {
  const { said, exit, stderrTail } = ending;
  if (ending.isOversized) throw oversizedOutput(maxOutputBytes);
  if (said?.type === "result") return assertStorable(said.output);
  if (exit?.outOfMemory) {
    throw new ExecutionError("out_of_memory", "The notebook used more memory than its memoryMb allows");
  }
  if (said) throw toError(said);
  const details = {
    ...(exit?.signal && { signal: exit.signal }),
    stderr: stderrTail.join("\n").slice(-MAX_MESSAGE),
  };
  if (exit?.signal === "SIGXCPU") {
    const message = "The notebook used more processor time than its time-out allows";
    throw new ExecutionError("timeout", message, { details });
  }
  const how = exit?.signal ? `by the signal ${exit.signal}` : `with exit code ${exit?.exitCode ?? "unknown"}`;
  throw new ExecutionError("script_error", `The process beside the kernel was ended ${how}`, { details });
}

function toError(said: HelperMessageOf<"error">): ExecutionError {
  const text = (value: string, length: number): string => cleanText(value).slice(0, length);
  const details: JsonObject = {
    ...(said.cell !== undefined && { cell: said.cell }),
    ...(said.ename !== undefined && { ename: text(said.ename, 200) }),
    ...(said.evalue !== undefined && { evalue: text(said.evalue, MAX_MESSAGE) }),
    ...(said.traceback !== undefined && { traceback: text(said.traceback, MAX_TRACEBACK) }),
    ...(said.signal !== undefined && { signal: text(said.signal, 20) }),
    ...(typeof said.exitCode === "number" && { exitCode: said.exitCode }),
    ...(said.path !== undefined && { path: text(said.path, 200) }),
  };
  return new ExecutionError(said.code, text(said.message, MAX_MESSAGE), {
    details,
    ...(said.retryable !== undefined && { retryable: said.retryable }),
  });
}
