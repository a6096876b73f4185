import { Check, CircleAlert, Info, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { DiffView } from "../../editors/diff-view.js";
import { Button } from "../button.js";
import { CodeBlock } from "../code-block.js";
import type { SuggestedChange } from "./copilot-panel.js";
import styles from "./copilot-panel.module.css";
import { Evidence } from "./evidence.js";
import type { Suggestion } from "../../../../src/contracts/api/copilot.js";

const ICONS = { info: Info, warning: TriangleAlert, error: CircleAlert } as const;

/** One suggestion: what was found, what it would change, and the button that changes it. */
export function SuggestionCard({
  suggestion,
  change,
  isApplied,
  applyLabel = "Apply this change",
  onApply,
}: {
  readonly suggestion: Suggestion;
  readonly change: SuggestedChange | undefined;
  readonly isApplied: boolean;
  readonly applyLabel?: string | undefined;
  readonly onApply: (() => void) | undefined;
}) {
  const [isOpen, setOpen] = useState(false);
  const Icon = ICONS[suggestion.severity];
  const { title, detail, source, code, reviewReasons = [], estimate, evidence } = suggestion;
  return (
    <article className={styles["card"]} data-severity={suggestion.severity}>
      <h3>
        <Icon size={15} aria-hidden />
        <span className="visually-hidden">{suggestion.severity}: </span>
        {title}
      </h3>
      <p>{detail}</p>
      {evidence && <Evidence evidence={evidence} />}
      {estimate && (
        <p className={styles["origin"]}>
          {estimate.metric}: {estimate.before} → {estimate.after}. {estimate.note}
        </p>
      )}
      {reviewReasons.map((reason) => (
        <p key={reason} className={styles["review"]}>
          Look closely: {reason}
        </p>
      ))}
      {code && <CodeBlock label="Suggested code" text={code} />}
      {change && !isApplied && (
        <>
          <div className={styles["calls"]}>
            <Button size="s" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
              {isOpen ? "Hide the change" : "Show the change"}
            </Button>
          </div>
          {isOpen && (
            <>
              <DiffView label={`Change: ${title}`} {...change} />
              {onApply && (
                <div className={styles["calls"]}>
                  <Button size="s" variant="primary" onClick={onApply}>
                    {applyLabel}
                  </Button>
                </div>
              )}
            </>
          )}
        </>
      )}
      {isApplied && (
        // what has been applied fits no more: its change is not there to show
        <span className={styles["done"]}>
          <Check size={14} aria-hidden /> Applied
        </span>
      )}
      <p className={styles["origin"]}>{source === "model" ? "A model's idea" : "Found by analysis"}</p>
    </article>
  );
}
