import { useEffect, useRef } from "react";

/** What the keys of the editor do, wherever the focus is in it. */
export interface EditorKeys {
  undo(): void;
  redo(): void;
  save(): void;
}

/** Ctrl-Z, Ctrl-Shift-Z, Ctrl-Y and Ctrl-S (or Command): for the document, not for the field one is in. */
export function useEditorKeys(keys: EditorKeys): void {
  const current = useRef(keys);
  useEffect(() => {
    current.current = keys;
  });
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.altKey || !(event.ctrlKey || event.metaKey)) return;
      const key = event.key.toLowerCase();
      const act =
        key === "s"
          ? current.current.save
          : key === "y" || (key === "z" && event.shiftKey)
            ? current.current.redo
            : key === "z"
              ? current.current.undo
              : undefined;
      if (!act) return;
      event.preventDefault();
      act();
    }
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}
