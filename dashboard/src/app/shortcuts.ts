import { useEffect, useRef, useSyncExternalStore } from "react";

/** Keys and what they do: `g r` is g, then r within a second. `mod` is Control, or Command on a Mac. */
export type Shortcuts = Readonly<Record<string, () => void>>;

const KEY = "headrace.shortcuts";
const SEQUENCE_MS = 1000;
const listeners = new Set<() => void>();

/** Whether shortcuts of single letters are on: who speaks to the machine, or slips, can turn them off. */
export function useAreShortcutsOn(): boolean {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => localStorage.getItem(KEY) !== "off",
  );
}

/** Turns them on or off, for this browser. */
export function setShortcutsOn(isOn: boolean): void {
  if (isOn) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, "off");
  for (const listener of listeners) listener();
}

/** Listens for shortcuts while the component is shown. Letters do nothing while somebody writes. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  const areOn = useAreShortcutsOn();
  useEffect(() => {
    current.current = shortcuts;
  });
  useEffect(() => {
    let first: { readonly key: string; readonly at: number } | undefined;
    function onKeyDown(event: KeyboardEvent): void {
      const isModified = event.ctrlKey || event.metaKey;
      if (event.defaultPrevented || event.altKey) return;
      const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      if (isModified) return run(`mod+${pressed}`, event);
      if (!areOn || isWriting(event.target)) return;
      const sequence =
        first && event.timeStamp - first.at < SEQUENCE_MS ? `${first.key} ${pressed}` : undefined;
      first = { key: pressed, at: event.timeStamp };
      if (sequence !== undefined && current.current[sequence]) {
        first = undefined;
        return run(sequence, event);
      }
      run(pressed, event);
    }
    function run(name: string, event: KeyboardEvent): void {
      const act = current.current[name];
      if (!act) return;
      event.preventDefault();
      act();
    }
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [areOn]);
}

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
