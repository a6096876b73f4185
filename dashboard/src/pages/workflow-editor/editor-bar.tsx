import { Columns2, LayoutGrid, Network, Redo2, ScrollText, Undo2 } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "../../components/button.js";
import { Pill } from "../../components/pill.js";
import type { Validation } from "./use-validation.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import styles from "./workflow-editor.module.css";

/** Which views of the one document are open. */
export type EditorView = "graph" | "both" | "yaml";

const VIEWS = [
  { id: "graph", label: "Graph", icon: Network },
  { id: "both", label: "Both", icon: Columns2 },
  { id: "yaml", label: "YAML", icon: ScrollText },
] as const;

/** Views, history, layout, and how many faults there are. */
export function EditorBar({
  view,
  onView,
  document,
  validation,
  faultCount,
  onFaults,
  onLayOut,
  children,
}: {
  readonly view: EditorView;
  onView(view: EditorView): void;
  readonly document: WorkflowDocument;
  readonly validation: Validation;
  readonly faultCount: number;
  onFaults(): void;
  onLayOut(): void;
  readonly children?: ReactNode;
}) {
  return (
    <div className={styles["bar"]} role="toolbar" aria-label="Editor">
      <span className={styles["group"]}>
        {VIEWS.map(({ id, label, icon }) => (
          <Button
            key={id}
            size="s"
            variant="quiet"
            icon={icon}
            aria-pressed={view === id}
            onClick={() => onView(id)}
          >
            {label}
          </Button>
        ))}
      </span>
      <Button
        variant="quiet"
        icon={Undo2}
        aria-label="Undo"
        title="Undo (Ctrl Z)"
        disabled={!document.canUndo}
        onClick={document.undo}
      />
      <Button
        variant="quiet"
        icon={Redo2}
        aria-label="Redo"
        title="Redo (Ctrl Shift Z)"
        disabled={!document.canRedo}
        onClick={document.redo}
      />
      <Button variant="quiet" icon={LayoutGrid} onClick={onLayOut}>
        Lay out
      </Button>
      <span className={styles["space"]} />
      {children}
      <span role="status" data-fault-count={faultCount} data-checking={validation.isChecking}>
        <Button size="s" variant="quiet" onClick={onFaults}>
          {faultCount > 0 ? (
            <Pill tone="bad">{faultCount === 1 ? "1 fault" : `${faultCount} faults`}</Pill>
          ) : (
            <Pill tone={validation.isChecking ? "idle" : "good"}>
              {validation.isChecking ? "Checking …" : "Valid"}
            </Pill>
          )}
        </Button>
      </span>
    </div>
  );
}
