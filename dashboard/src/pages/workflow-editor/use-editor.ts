import { useCallback, useMemo, useState } from "react";
import { addStep, freeId, stepsOf } from "./definition-model.js";
import type { SideTab } from "./editor-side.js";
import { freePlace } from "./layout-steps.js";
import { useCatalog } from "./use-catalog.js";
import { usePlaces } from "./use-places.js";
import type { WorkflowDocument } from "./use-workflow-document.js";

/** See {@link useEditor}. */
export type Editor = ReturnType<typeof useEditor>;

/** What is selected and where things are drawn: what the views share beside the document. */
export function useEditor(document: WorkflowDocument, placesKey: string) {
  const steps = useMemo(() => stepsOf(document.shown), [document.shown]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [tab, setTab] = useState<SideTab>("workflow");
  const [fitKey, setFitKey] = useState(0);
  const { places, move, layOut } = usePlaces(placesKey, steps);
  const select = useCallback((keys: ReadonlySet<string>) => {
    setSelected(keys);
    if (keys.size === 1) setTab("step");
  }, []);
  const uses = useMemo(() => steps.map(({ step }) => String(step["uses"] ?? "")), [steps]);
  const catalog = useCatalog(uses);
  const mcpTypes = JSON.stringify(uses.map((each) => [each, catalog.usedBy(each).mcpType]));
  const mcpTypeOf = useMemo(() => {
    const known = new Map(JSON.parse(mcpTypes) as [string, string | undefined][]);
    return (each: string) => known.get(each) ?? undefined;
  }, [mcpTypes]);
  function add(what: string, at?: { readonly x: number; readonly y: number }): void {
    const [, base = "step"] = /^[a-z]+:([^@]+)/.exec(what) ?? [];
    const id = freeId(document.shown, base);
    const after = at ? undefined : steps.find(({ key, list }) => selected.has(key) && list === "steps");
    document.change((now) =>
      addStep(now, "steps", { id, uses: what, ...(after ? { dependsOn: [after.id] } : {}) }),
    );
    if (at) move({ [id]: at });
    else if (!after) move({ [id]: freePlace(places) });
    select(new Set([id]));
    if (!at) setFitKey((before) => before + 1);
  }
  return {
    ...{ steps, selected, select, tab, openTab: setTab, catalog, mcpTypeOf, places, move, add, fitKey },
    layOut() {
      layOut();
      setFitKey((before) => before + 1);
    },
  };
}
