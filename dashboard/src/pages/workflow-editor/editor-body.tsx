import { useMemo, useState } from "react";
import { showFault } from "../../components/toasts.js";
import { ConnectDialog } from "./connect-dialog.js";
import { connect, type PlacedStep, wouldCircle } from "./definition-model.js";
import type { EditorView } from "./editor-bar.js";
import { EditorSide } from "./editor-side.js";
import { EditorViews } from "./editor-views.js";
import { Palette } from "./palette.js";
import type { Editor } from "./use-editor.js";
import type { useValidation } from "./use-validation.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import styles from "./workflow-editor.module.css";

/** What there is to add, the views, and what is said about the selected step. */
export function EditorBody({
  document,
  editor,
  validation,
  errors,
  view,
  workflowName,
}: {
  readonly document: WorkflowDocument;
  readonly editor: Editor;
  readonly validation: ReturnType<typeof useValidation>;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
  readonly view: EditorView;
  readonly workflowName: string | undefined;
}) {
  const { steps, selected, select, catalog } = editor;
  const [joining, setJoining] = useState<readonly [PlacedStep, PlacedStep]>();
  const find = (key: string) => steps.find((step) => step.key === key);
  const faultCounts = useMemo(() => {
    const counts = new Map<string, number>();
    for (const { path } of errors) {
      const step = steps.find(({ pointer }) => path === pointer || path.startsWith(`${pointer}/`));
      if (step) counts.set(step.key, (counts.get(step.key) ?? 0) + 1);
    }
    return counts;
  }, [errors, steps]);
  const goTo = (path: string) => {
    const step = steps.find(({ pointer }) => path === pointer || path.startsWith(`${pointer}/`));
    if (step) select(new Set([step.key]));
    else editor.openTab("workflow");
  };
  function join(source: string, target: string): void {
    const [from, to] = [find(source), find(target)];
    if (!from || !to) return;
    if (from.list !== to.list) showFault("Not connected", new Error("Both must stand in the same list."));
    else if (wouldCircle(steps, source, target))
      showFault("Not connected", new Error(`${from.id} waits for ${to.id} already: it would be a circle.`));
    else setJoining([from, to]);
  }
  return (
    <div className={styles["editor"]}>
      <Palette catalog={catalog} onAdd={(uses) => editor.add(uses)} />
      <EditorViews {...{ document, editor, validation, view, faultCounts }} onConnect={join} />
      <EditorSide
        {...{ document, catalog, errors, workflowName }}
        warnings={validation.warnings}
        tab={editor.tab}
        onTab={editor.openTab}
        placed={selected.size === 1 ? find([...selected][0] ?? "") : undefined}
        onRenamed={(id) => select(new Set([id]))}
        onGo={goTo}
      />
      {joining && (
        <ConnectDialog
          source={joining[0]}
          target={joining[1]}
          catalog={catalog}
          onClose={() => setJoining(undefined)}
          onConnect={(mapping) => {
            document.change((now) => connect(now, joining[0], joining[1], mapping));
            setJoining(undefined);
          }}
        />
      )}
    </div>
  );
}
