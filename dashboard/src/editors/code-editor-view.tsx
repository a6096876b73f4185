import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type CompletionSource,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from "@codemirror/commands";
import { bracketMatching, foldGutter, indentOnInput, indentUnit } from "@codemirror/language";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Annotation, Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder as placeholderOf,
} from "@codemirror/view";
import { useEffect, useId, useRef } from "react";
import styles from "./code-editor.module.css";
import { editorLook } from "./editor-theme.js";
import { type EditorLanguage, loadLanguage } from "./languages.js";

/** A fault at a place of the text; offsets count characters. */
export interface EditorMark {
  readonly from: number;
  readonly to: number;
  readonly severity: "error" | "warning";
  readonly message: string;
}

/** What an editor may be told. */
export interface CodeEditorProps {
  readonly label: string;
  readonly value: string;
  onChange?(value: string): void;
  readonly language: EditorLanguage;
  /** Stands under the editor; ties to it for those who read by ear. */
  readonly hint?: string | undefined;
  readonly fault?: string | undefined;
  readonly placeholder?: string;
  /** In rows of text: it grows from the first to the second. */
  readonly rows?: readonly [number, number];
  /** It takes all the height that its parent has. */
  readonly isFilling?: boolean;
  readonly isReadOnly?: boolean;
  /** One line of code in a form: no line numbers, no folding. */
  readonly isPlain?: boolean;
  readonly isLabelHidden?: boolean;
  readonly marks?: readonly EditorMark[];
  readonly complete?: CompletionSource;
  /** Given: undo and redo are somebody else's, who holds the text's history. */
  readonly historyKeys?: { undo(): void; redo(): void };
  /** What it is told when the caret moves, in characters. */
  onCaret?(offset: number): void;
}

const outside = Annotation.define<boolean>();

/** The editor itself: see {@link CodeEditorProps}. Tab leaves it once Escape was pressed. */
export function CodeEditorView(props: CodeEditorProps) {
  const { label, value, fault, hint, isFilling = false, isLabelHidden = false } = props;
  const id = useId();
  const host = useEditor(props, id);
  return (
    <div style={isFilling ? { height: "100%" } : undefined}>
      <p id={`${id}-label`} className={isLabelHidden ? "visually-hidden" : styles["label"]}>
        {label}
      </p>
      <div
        ref={host}
        data-editor={label}
        data-length={value.length}
        className={`${styles["frame"]} ${fault ? styles["bad"] : ""} ${isFilling ? styles["fill"] : ""}`}
      />
      {hint && (
        <p id={`${id}-hint`} className={styles["hint"]}>
          {hint}
        </p>
      )}
      {fault && (
        <p id={`${id}-fault`} className={styles["fault"]}>
          {fault}
        </p>
      )}
    </div>
  );
}

function useEditor(props: CodeEditorProps, id: string): React.RefObject<HTMLDivElement | null> {
  const { value, language, marks } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const current = useRef(props);
  const grammar = useRef(new Compartment());
  useEffect(() => {
    current.current = props;
  });
  useEffect(() => {
    if (!host.current) return;
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: current.current.value,
        extensions: [extensionsOf(current, id), grammar.current.of([])],
      }),
    });
    view.current = editor;
    return () => {
      view.current = null;
      editor.destroy();
    };
  }, [id]);
  useEffect(() => {
    let isStale = false;
    void loadLanguage(language).then((extension) => {
      if (!isStale) view.current?.dispatch({ effects: grammar.current.reconfigure(extension) });
    });
    return () => {
      isStale = true;
    };
  }, [language]);
  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ ...smallestChange(editor.state.doc.toString(), value), annotations: outside.of(true) });
  }, [value]);
  useEffect(() => {
    const editor = view.current;
    if (!editor || !marks) return;
    const end = editor.state.doc.length;
    const shown = marks.map(
      (mark): Diagnostic => ({ ...mark, from: Math.min(mark.from, end), to: Math.min(mark.to, end) }),
    );
    editor.dispatch(setDiagnostics(editor.state, shown));
  }, [marks, value]);
  return host;
}

/** What has changed and nothing else, so that the caret stays where it is. */
function smallestChange(before: string, after: string) {
  let from = 0;
  const most = Math.min(before.length, after.length);
  while (from < most && before[from] === after[from]) from += 1;
  let tail = 0;
  while (tail < most - from && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  return { changes: { from, to: before.length - tail, insert: after.slice(from, after.length - tail) } };
}

function extensionsOf(current: React.RefObject<CodeEditorProps>, id: string): Extension {
  const props = current.current;
  const { isPlain = false, isReadOnly = false, isFilling = false, rows = [isPlain ? 1 : 6, 28] } = props;
  const line = 20.2;
  const described = [props.hint ? `${id}-hint` : "", `${id}-fault`].join(" ").trim();
  return [
    editorLook,
    EditorView.lineWrapping,
    drawSelection(),
    indentUnit.of(props.language === "python" ? "    " : "  "),
    bracketMatching(),
    closeBrackets(),
    indentOnInput(),
    isPlain ? [] : [lineNumbers(), foldGutter(), highlightActiveLine(), highlightSelectionMatches()],
    props.marks ? lintGutter() : [],
    props.placeholder ? placeholderOf(props.placeholder) : [],
    isFilling
      ? EditorView.theme({ ".cm-scroller": { overflow: "auto" } })
      : EditorView.theme({
          ".cm-scroller": { maxHeight: `${rows[1] * line + 16}px`, overflow: "auto" },
          ".cm-content, .cm-gutter": { minHeight: `${rows[0] * line + 16}px` },
        }),
    isReadOnly ? [EditorState.readOnly.of(true), EditorView.editable.of(true)] : [],
    EditorView.contentAttributes.of({
      // what scrolls is reached by the keyboard
      tabindex: "0",
      "aria-labelledby": `${id}-label`,
      "aria-describedby": described,
      ...(props.language === "markdown" ? { spellcheck: "true" } : {}),
    }),
    autocompletion(
      props.complete ? { override: [(context) => current.current.complete?.(context) ?? null] } : {},
    ),
    props.historyKeys ? keymap.of(foreignHistory(current)) : [history(), keymap.of(historyKeymap)],
    keymap.of([
      ...closeBracketsKeymap,
      ...completionKeymap,
      ...searchKeymap,
      // Escape, then Tab, leaves the editor
      { key: "Tab", run: (view) => !left.has(view) && indentMore(view) },
      { key: "Shift-Tab", run: (view) => !left.has(view) && indentLess(view) },
      { key: "Escape", run: (view) => (left.add(view), false) },
      ...defaultKeymap,
    ]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) {
        left.delete(update.view);
        if (!update.transactions.some((transaction) => transaction.annotation(outside)))
          current.current.onChange?.(update.state.doc.toString());
      }
      if (update.selectionSet) current.current.onCaret?.(update.state.selection.main.head);
    }),
  ];
}

/** Editors that Escape was pressed in: there Tab goes on to the next control. */
const left = new WeakSet<EditorView>();

function foreignHistory(current: React.RefObject<CodeEditorProps>) {
  const undo = () => (current.current.historyKeys?.undo(), true);
  const redo = () => (current.current.historyKeys?.redo(), true);
  return [
    { key: "Mod-z", run: undo, preventDefault: true },
    { key: "Mod-y", run: redo, preventDefault: true },
    { key: "Mod-Shift-z", run: redo, preventDefault: true },
  ];
}
