import { lazy, Suspense } from "react";
import styles from "./code-editor.module.css";
import type { CodeEditorProps } from "./code-editor-view.js";

const View = lazy(async () => ({ default: (await import("./code-editor-view.js")).CodeEditorView }));

/** A code editor. Its code comes when the first one is shown; until then the text stands there as it is. */
export function CodeEditor(props: CodeEditorProps) {
  return (
    <Suspense
      fallback={
        <pre className={`${styles["frame"]} ${styles["waiting"]}`} aria-busy="true">
          {props.value}
        </pre>
      }
    >
      <View {...props} />
    </Suspense>
  );
}
