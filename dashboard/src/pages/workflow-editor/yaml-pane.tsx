import type { CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { useMemo } from "react";
import { CodeEditor } from "../../editors/code-editor.js";
import { type PlacedStep, stepsOf } from "./definition-model.js";
import { BUILTINS } from "./step-look.js";
import type { Catalog } from "./use-catalog.js";
import type { Validation } from "./use-validation.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import { placeOf, stepPointerAt } from "./yaml-document.js";

/** The definition as YAML, with its faults where they are. */
export function YamlPane({
  document,
  validation,
  catalog,
  onStep,
}: {
  readonly document: WorkflowDocument;
  readonly validation: Validation;
  readonly catalog: Catalog;
  /** The caret has come into a step. */
  onStep(pointer: string): void;
}) {
  const { text, fault } = document;
  const marks = useMemo(() => {
    if (fault) return [{ ...fault, severity: "error" as const }];
    const mark = (severity: "error" | "warning") => (each: { path: string; message: string }) => ({
      ...placeOf(text, each.path),
      severity,
      message: each.message,
    });
    return [...validation.errors.map(mark("error")), ...validation.warnings.map(mark("warning"))];
  }, [text, fault, validation.errors, validation.warnings]);
  return (
    <CodeEditor
      label="Definition (YAML)"
      isLabelHidden
      isFilling
      language="yaml"
      value={text}
      marks={marks}
      historyKeys={document}
      complete={(context) => completeYaml(context, stepsOf(document.shown), catalog)}
      onChange={document.setText}
      onCaret={(offset) => {
        const pointer = stepPointerAt(text, offset);
        if (pointer) onStep(pointer);
      }}
    />
  );
}

const STEP_FIELDS = [
  ...["id", "name", "uses", "inputs", "dependsOn", "when", "forEach", "maxParallel", "runAfter", "retry"],
  ...["timeoutSeconds", "queueTimeoutSeconds", "onError", "cache", "workerGroup", "priority"],
];

function completeYaml(
  context: CompletionContext,
  steps: readonly PlacedStep[],
  catalog: Catalog,
): CompletionResult | null {
  const value = context.matchBefore(/\b(?:uses|step|secret):\s*[\w:@.-]*$/);
  if (value) {
    const [name = "", typed = ""] = value.text.split(/:\s*(.*)$/s);
    const options =
      name === "uses"
        ? [
            ...catalog.components.map((each) => `mcp:${each.name}@${each.latestVersion?.version ?? "1.0.0"}`),
            ...BUILTINS.map((each) => `builtin:${each.name}`),
            ...catalog.workflows.map((each) => `workflow:${each.name}`),
          ]
        : name === "step"
          ? steps.map(({ id }) => id)
          : catalog.secrets;
    return {
      from: value.to - typed.length,
      options: options.map((label) => ({ label, type: "constant" })),
      validFor: /^[\w:@.-]*$/,
    };
  }
  const field = context.matchBefore(/^ {4,6}[a-zA-Z]+$/);
  if (!field) return null;
  const from = field.from + field.text.search(/[a-zA-Z]/);
  return { from, options: STEP_FIELDS.map((label) => ({ label, apply: `${label}: `, type: "property" })) };
}
