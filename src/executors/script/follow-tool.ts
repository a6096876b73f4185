import type { ExecutionContext, SandboxExit, SandboxProcess } from "../types.js";
import { createLineSplitter } from "./line-splitter.js";

/** How a tool has ended, and the last lines that it said. */
export interface ToolEnding {
  readonly exit: SandboxExit;
  readonly tail: readonly string[];
}

const TAIL_LINES = 20;

/**
 * Logs what a trusted tool says, each line behind a prefix, and waits for its end. An abort kills it.
 * @throws the reason of an aborted signal, once the tool has ended.
 */
export async function followTool(
  child: SandboxProcess,
  { emit, signal }: Pick<ExecutionContext, "emit" | "signal">,
  prefix = "",
): Promise<ToolEnding> {
  const tail: string[] = [];
  const lines = createLineSplitter((line) => {
    emit.log("system", prefix + line);
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
  });
  child.onStdout((chunk) => lines.push(chunk));
  child.onStderr((chunk) => lines.push(chunk));
  child.onNotice?.((line) => emit.log("system", line));
  child.endInput();
  const onAbort = (): void => void child.kill(0);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const exit = await child.exited;
  signal.removeEventListener("abort", onAbort);
  lines.flush();
  signal.throwIfAborted();
  return { exit, tail };
}
