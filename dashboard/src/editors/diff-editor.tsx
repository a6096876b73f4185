import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import styles from "./code-editor.module.css";
import { editorLook } from "./editor-theme.js";
import { type EditorLanguage, loadLanguage } from "./languages.js";

/** What a diff may be told. */
export interface DiffViewProps {
  readonly label: string;
  readonly before: string;
  readonly after: string;
  readonly language: EditorLanguage;
}

/** The diff itself: removed lines above those that took their place, long stretches without change folded. */
export function DiffEditor({ label, before, after, language }: DiffViewProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let view: EditorView | undefined;
    let isStale = false;
    void loadLanguage(language).then((grammar) => {
      if (isStale || !host.current) return;
      view = new EditorView({
        parent: host.current,
        state: EditorState.create({
          doc: after,
          extensions: [
            grammar,
            editorLook,
            lineNumbers(),
            EditorView.lineWrapping,
            EditorState.readOnly.of(true),
            EditorView.contentAttributes.of({ "aria-label": label }),
            unifiedMergeView({
              original: before,
              mergeControls: false,
              gutter: true,
              collapseUnchanged: { margin: 3, minSize: 6 },
            }),
          ],
        }),
      });
    });
    return () => {
      isStale = true;
      view?.destroy();
    };
  }, [label, before, after, language]);
  if (before === after) return <p className={styles["hint"]}>No difference.</p>;
  return <div ref={host} className={styles["frame"]} data-diff={label} />;
}
