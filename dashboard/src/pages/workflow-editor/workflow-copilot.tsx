import { useEffect } from "react";
import { applyPatch } from "../../components/copilot/apply-patch.js";
import { CopilotPanel } from "../../components/copilot/copilot-panel.js";
import { takeHandedOver } from "../../components/copilot/hand-over.js";
import { showToast } from "../../components/toasts.js";
import type { Suggestion } from "../../../../src/contracts/api/copilot.js";
import { asRecord, type Definition } from "./definition-model.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import { rewriteText } from "./yaml-document.js";

/** Advice on the workflow that is being written. What is applied can be undone like any other change. */
export function WorkflowCopilot({
  document,
  workflow,
}: {
  readonly document: WorkflowDocument;
  /** Its name, once it is stored: its runs are looked at, too. */
  readonly workflow: string | undefined;
}) {
  const definition = document.shown;
  return (
    <CopilotPanel
      calls={[
        {
          label: "Look over this workflow",
          path: "/copilot/workflow-optimization",
          body: () => ({ definition, ...(workflow ? { workflow } : {}) }),
        },
        {
          label: "Draft a workflow",
          path: "/copilot/generate-workflow",
          promptLabel: "What the workflow should do",
          body: (prompt) => ({ prompt }),
        },
      ]}
      preview={(suggestion) => {
        const next = definitionAfter(definition, suggestion);
        return next && { before: document.text, after: rewriteText(document.text, next), language: "yaml" };
      }}
      apply={(suggestion) => document.change((now) => definitionAfter(now, suggestion) ?? now)}
    />
  );
}

/** Puts in what was handed over to this editor from elsewhere; it can be undone. */
export function useHandedOver(document: WorkflowDocument): void {
  const { change } = document;
  useEffect(() => {
    const suggestion = takeHandedOver("definition");
    if (!suggestion) return;
    change((now) => patchedBy(now, suggestion) ?? now);
    showToast("The change is in the editor", "Look at it, then save or publish it as the next version.");
  }, [change]);
}

function definitionAfter(definition: Definition, suggestion: Suggestion): Definition | undefined {
  if (suggestion.definition !== undefined) return asRecord(suggestion.definition);
  const { target } = suggestion;
  // a target with a version is a stored one, and not what is being edited here
  if (target && (target.kind !== "definition" || target.version)) return undefined;
  return patchedBy(definition, suggestion);
}

function patchedBy(definition: Definition, { patch }: Suggestion): Definition | undefined {
  if (!patch) return undefined;
  try {
    return asRecord(applyPatch(definition, patch));
  } catch {
    return undefined;
  }
}
