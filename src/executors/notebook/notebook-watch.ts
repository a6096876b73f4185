import type { JsonObject, JsonValue } from "../../core/json.js";
import { createLineSplitter } from "../script/line-splitter.js";
import { createLineTail } from "../script/line-tail.js";
import type { ExecutionContext } from "../types.js";
import { createCellEvents } from "./cell-events.js";
import type { HelperMessageOf } from "./helper-messages.js";
import type { NotebookDocument } from "./notebook-document.js";

/** Follows a notebook while it is executed. */
export interface NotebookWatch {
  readonly stderrTail: readonly string[];
  onStdout(chunk: Buffer): void;
  onStderr(chunk: Buffer): void;
  takeReady(message: HelperMessageOf<"ready">): void;
  takeCell(message: HelperMessageOf<"cell">): void;
  takeOutputs(message: HelperMessageOf<"outputs">): void;
  /** Hands out what is left; resolves when every event has been emitted. */
  finish(): Promise<void>;
}

const TAIL_LINES = 20;

/** Turns what a helper says into events of the step as it comes, and fills the notebook with the outputs. */
export function watchNotebook(notebook: NotebookDocument, context: ExecutionContext): NotebookWatch {
  const { emit } = context;
  const { cells, metadata } = notebook;
  const events = createCellEvents(context);
  const tail = createLineTail(TAIL_LINES);
  const stdoutLines = createLineSplitter((line, cut) => emit.log("stdout", line, cut));
  const stderrLines = createLineSplitter((line, cut) => {
    emit.log("stderr", line, cut);
    tail.push(line, cut);
  });
  // artifacts are saved on the way to an event, which must not overtake the one before it
  let reported: Promise<void> = Promise.resolve();

  function report(data: JsonObject, outputs?: readonly JsonObject[]): void {
    reported = reported.then(async () => {
      const shown = outputs && (await events.toEventOutputs(Number(data["cell"]), outputs));
      emit.progress({ ...data, ...(shown && { outputs: shown }) }, { isMilestone: true });
    });
    reported.catch(() => undefined); // finish() tells
  }

  return {
    stderrTail: tail.lines,
    onStdout: (chunk) => stdoutLines.push(chunk),
    onStderr: (chunk) => stderrLines.push(chunk),
    takeReady({ languageInfo, displayName }) {
      metadata["language_info"] = languageInfo;
      (metadata["kernelspec"] as Record<string, JsonValue>)["display_name"] = displayName;
    },
    takeCell({ index, status, durationMs = 0, executionCount = null, outputs = [] }) {
      const cell = cells[index];
      if (!cell) return;
      const data = { cell: index, total: cells.length, status };
      if (status === "started") return report(data);
      cell.outputs = outputs;
      cell.execution_count = executionCount;
      report({ ...data, durationMs }, outputs);
    },
    takeOutputs({ index, outputs }) {
      const cell = cells[index];
      if (cell) cell.outputs = outputs;
    },
    async finish() {
      stdoutLines.flush();
      stderrLines.flush();
      await reported;
    },
  };
}
