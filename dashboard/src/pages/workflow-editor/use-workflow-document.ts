import { useCallback, useMemo, useState } from "react";
import type { Definition } from "./definition-model.js";
import { type ReadText, readText, rewriteText } from "./yaml-document.js";

/** A definition that is being written: one text, and the definition in it. */
export interface WorkflowDocument extends ReadText {
  readonly text: string;
  /** The last definition that could be read: what the graph shows while the text does not parse. */
  readonly shown: Definition;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Somebody has written in the text. */
  setText(text: string): void;
  /** Somebody has changed the definition: the text follows, comments and all. */
  change(how: (definition: Definition) => Definition): void;
  undo(): void;
  redo(): void;
}

interface History {
  readonly past: readonly string[];
  readonly text: string;
  readonly future: readonly string[];
  readonly typedAt: number;
}

const MOST_STEPS_BACK = 200;
/** What is written without a pause longer than this is taken back as one. */
const ONE_BREATH_MS = 800;

/** Holds the text with its history; graph and text are two views of it. */
export function useWorkflowDocument(start: string): WorkflowDocument {
  const [history, setHistory] = useState<History>({ past: [], text: start, future: [], typedAt: 0 });
  const [lastGood, setLastGood] = useState<Definition>(() => readText(start).definition ?? {});
  const { text } = history;
  const read = useMemo(() => readText(text), [text]);
  if (read.definition && read.definition !== lastGood) setLastGood(read.definition);

  const push = useCallback((make: (text: string) => string, typedAt: number) => {
    setHistory((before) => {
      const next = make(before.text);
      if (next === before.text) return before;
      const isSameBreath = typedAt > 0 && typedAt - before.typedAt < ONE_BREATH_MS;
      const past = isSameBreath ? before.past : [...before.past, before.text].slice(-MOST_STEPS_BACK);
      return { past, text: next, future: [], typedAt };
    });
  }, []);
  const setText = useCallback((next: string) => push(() => next, Date.now()), [push]);
  const change = useCallback(
    (how: (definition: Definition) => Definition) =>
      push((before) => {
        const { definition } = readText(before);
        return definition ? rewriteText(before, how(definition)) : before;
      }, 0),
    [push],
  );
  const undo = useCallback(
    () =>
      setHistory(({ past, text: now, future, ...rest }) => {
        const last = past.at(-1);
        if (last === undefined) return { past, text: now, future, ...rest };
        return { past: past.slice(0, -1), text: last, future: [now, ...future], typedAt: 0 };
      }),
    [],
  );
  const redo = useCallback(
    () =>
      setHistory(({ past, text: now, future, ...rest }) => {
        const [next, ...later] = future;
        if (next === undefined) return { past, text: now, future, ...rest };
        return { past: [...past, now], text: next, future: later, typedAt: 0 };
      }),
    [],
  );
  return {
    ...read,
    text,
    shown: read.definition ?? lastGood,
    canUndo: history.past.length > 0,
    canRedo: history.future.length > 0,
    ...{ setText, change, undo, redo },
  };
}
