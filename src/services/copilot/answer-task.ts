import type { CopilotAnswer, CopilotEvent, Suggestion } from "../../contracts/api/copilot.js";
import { type ConsultDeps, consultModel } from "./model/consult-model.js";
import { passGate } from "./patches/pass-gate.js";
import type { CopilotTask } from "./copilot-task.js";

/** Who asks, and how. */
export interface AskedBy {
  readonly userId: string | null;
  readonly useModel: boolean;
  readonly signal: AbortSignal;
  /** Told of everything as it comes. */
  emit(event: CopilotEvent): void;
}

/** The answer of a task: what analysis has found first, then what a model adds, each through the gate. */
export async function answerTask(
  deps: ConsultDeps,
  task: CopilotTask,
  asked: AskedBy,
): Promise<CopilotAnswer> {
  const { purpose, rules, findings, prompt } = task;
  const { userId, signal } = asked;
  const suggestions: Suggestion[] = [];
  const offer = (suggestion: Suggestion) => {
    suggestions.push(suggestion);
    asked.emit({ type: "suggestion", data: suggestion });
  };
  for (const finding of findings) {
    signal.throwIfAborted();
    const verdict = await passGate(rules, finding, "analysis");
    if ("suggestion" in verdict) offer(verdict.suggestion);
  }
  if (!asked.useModel)
    return finish(asked, suggestions, { state: "off", detail: "Analysis alone was asked for.", dropped: 0 });
  const consulted = await consultModel(deps, {
    ...{ purpose, userId, rules, prompt, signal },
    onProse: (text) => asked.emit({ type: "token", data: { text } }),
    onRestart: () => asked.emit({ type: "restart", data: {} }),
  });
  for (const suggestion of consulted.suggestions) offer(suggestion);
  const { outcome, suggestions: _mine, ...more } = consulted;
  return finish(asked, suggestions, outcome, more);
}

function finish(
  { emit }: AskedBy,
  suggestions: Suggestion[],
  modelOutcome: CopilotAnswer["modelOutcome"],
  more: Pick<CopilotAnswer, "summary" | "model" | "provider" | "usage"> = {},
): CopilotAnswer {
  if (more.usage) emit({ type: "usage", data: more.usage });
  emit({ type: "end", data: { ...more, modelOutcome, suggestions: suggestions.length } });
  return { suggestions, ...more, modelOutcome };
}
