import { Workflow as WorkflowIcon } from "lucide-react";
import { EmptyState } from "../../components/states.js";
import { Canvas } from "./canvas.js";
import { type Definition, disconnect, removeSteps, stepsOf } from "./definition-model.js";
import type { EditorView } from "./editor-bar.js";
import type { Editor } from "./use-editor.js";
import type { useValidation } from "./use-validation.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import styles from "./workflow-editor.module.css";
import { YamlPane } from "./yaml-pane.js";

/** The document as a graph, as text, or both. */
export function EditorViews({
  document,
  editor,
  validation,
  view,
  faultCounts,
  onConnect,
}: {
  readonly document: WorkflowDocument;
  readonly editor: Editor;
  readonly validation: ReturnType<typeof useValidation>;
  readonly view: EditorView;
  /** By step key. */
  readonly faultCounts: ReadonlyMap<string, number>;
  onConnect(source: string, target: string): void;
}) {
  const { steps, selected, select, catalog } = editor;
  return (
    <div className={styles["views"]}>
      {view !== "yaml" && (
        <div>
          {steps.length === 0 && (
            <div className={styles["emptyHint"]}>
              <EmptyState icon={WorkflowIcon} title="No step yet">
                Choose one on the left, or drag it here. Drag from the dot at a step’s right edge to another
                step to connect them.
              </EmptyState>
            </div>
          )}
          <Canvas
            steps={steps}
            places={editor.places}
            selected={selected}
            faults={faultCounts}
            mcpTypeOf={editor.mcpTypeOf}
            fitKey={editor.fitKey}
            onPlaces={editor.move}
            onSelect={select}
            onConnect={onConnect}
            onDrop={editor.add}
            onDelete={(keys, edges) => document.change((now) => without(now, keys, edges))}
          />
        </div>
      )}
      {view !== "graph" && (
        <div>
          <YamlPane
            document={document}
            validation={validation}
            catalog={catalog}
            onStep={(pointer) => {
              const step = steps.find((each) => each.pointer === pointer);
              if (step && !selected.has(step.key)) select(new Set([step.key]));
            }}
          />
        </div>
      )}
    </div>
  );
}

function without(
  definition: Definition,
  keys: ReadonlySet<string>,
  edges: readonly { readonly source: string; readonly target: string }[],
): Definition {
  const left = keys.size > 0 ? removeSteps(definition, keys) : definition;
  return edges.reduce((now, { source, target }) => {
    const placed = stepsOf(now);
    const from = placed.find(({ key }) => key === source);
    const to = placed.find(({ key }) => key === target);
    return from && to ? disconnect(now, from, to) : now;
  }, left);
}
