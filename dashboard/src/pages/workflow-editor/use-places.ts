import { useCallback, useMemo, useState } from "react";
import type { PlacedStep } from "./definition-model.js";
import { layOutSteps, type Places } from "./layout-steps.js";

/**
 * Where each step is drawn: where it was dragged to in this browser, else where the layout puts it. Definitions hold
 * no places, so that they stay the same whoever looks at them.
 */
export function usePlaces(name: string, steps: readonly PlacedStep[]) {
  const key = `headrace.places.${name}`;
  const [moved, setMoved] = useState<Places>(() => read(key));
  const laidOut = useMemo(() => layOutSteps(steps), [steps]);
  const places = useMemo<Places>(() => ({ ...laidOut, ...moved }), [laidOut, moved]);
  const move = useCallback(
    (changes: Places) =>
      setMoved((before) => {
        const next = { ...before, ...changes };
        localStorage.setItem(key, JSON.stringify(next));
        return next;
      }),
    [key],
  );
  const layOut = useCallback(() => {
    localStorage.removeItem(key);
    setMoved({});
  }, [key]);
  return { places, move, layOut };
}

/** What was drawn under one name is another's from now on: a new workflow that has been saved. */
export function handPlacesOn(from: string, to: string): void {
  const held = localStorage.getItem(`headrace.places.${from}`);
  if (held !== null) localStorage.setItem(`headrace.places.${to}`, held);
  localStorage.removeItem(`headrace.places.${from}`);
}

function read(key: string): Places {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Places;
  } catch {
    return {};
  }
}
