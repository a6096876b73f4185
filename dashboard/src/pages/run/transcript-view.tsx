import { Bot, MessageSquare, Wrench } from "lucide-react";
import type { StepRun } from "../../../../src/contracts/api/runs.js";
import { JsonView } from "../../components/json-view.js";
import { formatDuration } from "../../format/duration.js";
import { formatCost, formatCount } from "../../format/numbers.js";
import { isOver } from "../../format/status.js";
import styles from "./artifacts.module.css";
import type { RunFeed } from "./run-feed.js";
import { type ToolCall, toToolCalls } from "./tool-calls.js";
import { useFeedVersion } from "./use-run.js";

/** What a prompt was given, which tools it called, what it answered as it wrote it, and what that took. */
export function TranscriptView({ step, feed }: { readonly step: StepRun; readonly feed: RunFeed }) {
  useFeedVersion(feed);
  const output = (step.output ?? {}) as {
    text?: unknown;
    json?: unknown;
    model?: unknown;
    toolCalls?: unknown;
  };
  const calls = toToolCalls(output.toolCalls, feed.progress, step);
  const text = typeof output.text === "string" ? output.text : feed.tokens(step.stepId, step.itemIndex);
  return (
    <div className={styles["cells"]}>
      <section className={styles["turn"]}>
        <h3>
          <MessageSquare size={14} aria-hidden /> Given
        </h3>
        <JsonView value={step.inputs} label="inputs" />
      </section>
      {calls.map((call, index) => (
        <ToolTurn key={index} call={call} />
      ))}
      <section className={styles["turn"]} aria-live="off">
        <h3>
          <Bot size={14} aria-hidden /> {typeof output.model === "string" ? output.model : "Model"}
        </h3>
        <p className={styles["answer"]}>
          {text === "" ? (isOver(step.status) ? "No text." : "Nothing yet …") : text}
        </p>
        {output.json !== undefined && <JsonView value={output.json} label="answer as JSON" />}
      </section>
      {step.usage && (
        <p className={styles["dim"]}>
          {formatCount(step.usage.inputTokens)} tokens in, {formatCount(step.usage.outputTokens)} out, cost{" "}
          {formatCost(step.usage.cost)}
        </p>
      )}
    </div>
  );
}

function ToolTurn({ call }: { readonly call: ToolCall }) {
  return (
    <section className={styles["turn"]}>
      <h3>
        <Wrench size={14} aria-hidden /> {call.tool}
        {call.durationMs !== undefined && (
          <span className={styles["dim"]}>{formatDuration(call.durationMs)}</span>
        )}
      </h3>
      <h4>Called with</h4>
      <JsonView value={call.given} label="arguments" />
      <h4>{call.error === undefined ? "Gave" : "Failed"}</h4>
      {call.error === undefined ? (
        <JsonView value={call.result ?? null} label="result" />
      ) : (
        <JsonView value={call.error} label="error" />
      )}
    </section>
  );
}
