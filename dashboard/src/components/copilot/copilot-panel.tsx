import { Sparkles } from "lucide-react";
import { useState } from "react";
import { ApiError } from "../../api/problem.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import type { EditorLanguage } from "../../editors/languages.js";
import { Button } from "../button.js";
import { Field, TextArea } from "../field.js";
import { EmptyState, FormFault, Skeleton } from "../states.js";
import styles from "./copilot-panel.module.css";
import type { CopilotAnswer, Suggestion } from "../../../../src/contracts/api/copilot.js";
import { SuggestionCard } from "./suggestion-card.js";

/** One question that the copilot can be asked here. */
export interface CopilotCall {
  /** What its button says: a verb. */
  readonly label: string;
  /** After `/api/v1`. */
  readonly path: string;
  /** Given: it needs words of the person, asked for under this label. */
  readonly promptLabel?: string;
  body(prompt: string): object;
}

/** What a suggestion would change, as two texts. */
export interface SuggestedChange {
  readonly before: string;
  readonly after: string;
  readonly language: EditorLanguage;
}

/** What a panel may be told. */
export interface CopilotPanelProps {
  readonly calls: readonly CopilotCall[];
  /** What a suggestion would change; undefined when nothing here, or when it no longer fits. */
  preview?(suggestion: Suggestion): SuggestedChange | undefined;
  /** Does what {@link CopilotPanelProps.preview} shows. Called by a click and by nothing else. */
  apply?(suggestion: Suggestion): void;
  /** What the button of `apply` says. */
  readonly applyLabel?: string;
  /** What is known before anything is asked. */
  readonly known?: CopilotAnswer | undefined;
  /** Told what was answered. */
  onAnswer?(answer: CopilotAnswer): void;
}

/**
 * Asks the copilot and shows what it suggests. A patch is shown as a difference first; nothing is changed until the
 * person says so.
 */
export function CopilotPanel({ calls, preview, apply, applyLabel, known, onAnswer }: CopilotPanelProps) {
  const [prompt, setPrompt] = useState("");
  const [asking, setAsking] = useState<string>();
  const [answered, setAnswer] = useState<CopilotAnswer>();
  const answer = answered ?? known;
  const [fault, setFault] = useState<unknown>();
  const [applied, setApplied] = useState<ReadonlySet<Suggestion>>(new Set());
  const mayUse = useMay("copilot:use");
  const promptLabel = calls.find((call) => call.promptLabel)?.promptLabel;

  async function ask(call: CopilotCall): Promise<void> {
    setAsking(call.label);
    setFault(undefined);
    try {
      const body = call.body(prompt.trim());
      const next = await apiRequest<CopilotAnswer>(call.path, { method: "POST", body });
      setAnswer(next);
      onAnswer?.(next);
      setApplied(new Set());
    } catch (error) {
      setFault(
        error instanceof ApiError && error.status === 404
          ? new Error("This server has no copilot, or what you asked about is gone.")
          : error,
      );
    } finally {
      setAsking(undefined);
    }
  }

  return (
    <div className={styles["panel"]}>
      {promptLabel !== undefined && (
        <Field label={promptLabel}>
          {(control) => (
            <TextArea {...control} value={prompt} onChange={(event) => setPrompt(event.target.value)} />
          )}
        </Field>
      )}
      <div className={styles["calls"]}>
        {calls.map((call) => (
          <Button
            key={call.label}
            icon={Sparkles}
            isBusy={asking === call.label}
            blockedBecause={
              mayUse.reason ??
              (call.promptLabel !== undefined && prompt.trim() === ""
                ? "Say first what you want."
                : undefined)
            }
            onClick={() => void ask(call)}
          >
            {call.label}
          </Button>
        ))}
      </div>
      <FormFault error={fault} />
      {asking !== undefined && !answer && <Skeleton lines={4} />}
      {answer && (
        <CopilotAnswerView
          answer={answer}
          applied={applied}
          preview={preview}
          applyLabel={applyLabel}
          onApply={
            apply &&
            ((suggestion) => {
              apply(suggestion);
              setApplied(new Set([...applied, suggestion]));
            })
          }
        />
      )}
    </div>
  );
}

function CopilotAnswerView({
  answer,
  applied,
  preview,
  applyLabel,
  onApply,
}: {
  readonly answer: CopilotAnswer;
  readonly applied: ReadonlySet<Suggestion>;
  readonly preview: CopilotPanelProps["preview"];
  readonly applyLabel: string | undefined;
  readonly onApply: CopilotPanelProps["apply"];
}) {
  const { suggestions, summary, modelOutcome, model, usage } = answer;
  return (
    <div className={styles["answer"]} role="status">
      {summary && <p>{summary}</p>}
      {suggestions.length === 0 && (
        <EmptyState icon={Sparkles} title="Nothing to suggest">
          The analysis found nothing to mend.
        </EmptyState>
      )}
      {suggestions.map((suggestion, index) => (
        <SuggestionCard
          key={`${index} ${suggestion.title}`}
          suggestion={suggestion}
          change={preview?.(suggestion)}
          applyLabel={applyLabel}
          isApplied={applied.has(suggestion)}
          onApply={onApply && (() => onApply(suggestion))}
        />
      ))}
      <p className={styles["origin"]}>
        {model && modelOutcome?.state === "used"
          ? `By analysis and ${model}${usage ? `, ${usage.inputTokens + usage.outputTokens} tokens` : ""}.`
          : `By analysis alone. ${modelOutcome?.state === "off" ? "" : (modelOutcome?.detail ?? "")}`}
      </p>
    </div>
  );
}
