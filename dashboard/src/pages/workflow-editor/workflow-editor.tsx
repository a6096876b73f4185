import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { workflowPath } from "../../app/page-paths.js";
import { useLeaveWarning } from "../../app/use-leave-warning.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Input } from "../../components/field.js";
import { showFault } from "../../components/toasts.js";
import { RunDialog } from "../workflows/run-dialog.js";
import { EditorBar, type EditorView } from "./editor-bar.js";
import { EditorBody } from "./editor-body.js";
import { EditorHeader } from "./editor-header.js";
import { textFor } from "./kept-text.js";
import { useEditor } from "./use-editor.js";
import { useEditorKeys } from "./use-editor-keys.js";
import { handPlacesOn } from "./use-places.js";
import { useValidation } from "./use-validation.js";
import { useWorkflowDocument } from "./use-workflow-document.js";
import { useWorkflowSave } from "./use-workflow-save.js";
import { useHandedOver } from "./workflow-copilot.js";
import styles from "./workflow-editor.module.css";

const EMPTY = "# Steps run as soon as what they need is there.\nsteps: []\n";

/** The editor: one document in two views. */
export function WorkflowEditor({ workflow: existing }: { readonly workflow: Workflow | undefined }) {
  const start = useState(() => (existing ? textFor(existing) : EMPTY))[0];
  const document = useWorkflowDocument(start);
  useHandedOver(document);
  const saving = useWorkflowSave(existing);
  const editor = useEditor(document, existing?.id ?? "new");
  const [name, setName] = useState("");
  const [{ view, run }, setUrl] = useUrlState<"view" | "run">({ view: "graph", run: "" });
  const [isRunning, setRunning] = useState(run !== "");
  const [, navigate] = useLocation();
  const validation = useValidation(document.definition);
  const isChanged = document.text !== (saving.savedText ?? start);
  useLeaveWarning(isChanged);
  const errors = useMemo(
    () =>
      document.fault
        ? [{ path: "", message: document.fault.message }]
        : unique([...validation.errors, ...saving.faults]),
    [document.fault, validation.errors, saving.faults],
  );

  async function save(isDraft: boolean, isRunNext = false): Promise<Workflow | undefined> {
    const { definition, text } = document;
    if (!definition) {
      editor.openTab("faults");
      showFault("Could not save", new Error("The YAML cannot be read: see where it is marked."));
      return undefined;
    }
    const saved = await saving.save({ name: name.trim(), definition, text, isDraft });
    if (!saved) editor.openTab("faults");
    else if (!existing) openSaved(saved, isRunNext);
    return saved;
  }

  /** A new workflow has an address from now on. */
  function openSaved({ id, name: savedName }: Workflow, isRunNext: boolean): void {
    handPlacesOn("new", id);
    const query = new URLSearchParams({ view, ...(isRunNext ? { run: "1" } : {}) }).toString();
    navigate(`${workflowPath(savedName)}/edit?${query}`, { replace: true });
  }

  useEditorKeys({ undo: document.undo, redo: document.redo, save: () => void save(true) });
  const workflow = saving.workflow;
  const shownView = view as EditorView;
  return (
    <>
      <EditorHeader
        workflow={workflow}
        isChanged={isChanged}
        isBusy={saving.isBusy}
        onSave={(isDraft) => void save(isDraft)}
        onRun={() => {
          const isUpToDate = workflow && !isChanged && workflow.publishedVersion === workflow.latestVersion;
          if (isUpToDate) setRunning(true);
          else void save(false, true).then((saved) => saved && setRunning(true));
        }}
      />
      <EditorBar
        view={shownView}
        onView={(next) => setUrl({ view: next })}
        document={document}
        validation={validation}
        faultCount={errors.length}
        onFaults={() => editor.openTab("faults")}
        onLayOut={editor.layOut}
      >
        {!workflow && (
          <NameField name={name} isWrong={errors.some(({ path }) => path === "/name")} onChange={setName} />
        )}
      </EditorBar>
      <EditorBody
        {...{ document, editor, validation, errors, view: shownView }}
        workflowName={workflow?.name}
      />
      {isRunning && workflow && (
        <RunDialog
          workflow={workflow.name}
          onClose={() => {
            setRunning(false);
            setUrl({ run: undefined });
          }}
          onStarted={(path) => navigate(path)}
        />
      )}
    </>
  );
}

function NameField({
  name,
  isWrong,
  onChange,
}: {
  readonly name: string;
  readonly isWrong: boolean;
  onChange(name: string): void;
}) {
  return (
    <span className={styles["nameField"]}>
      <Input
        aria-label="Name of the workflow"
        aria-invalid={isWrong || undefined}
        placeholder="Name: daily-report"
        value={name}
        onChange={(event) => onChange(event.target.value)}
      />
    </span>
  );
}

function unique(faults: readonly { readonly path: string; readonly message: string }[]) {
  return faults.filter(
    ({ path, message }, index) =>
      faults.findIndex((other) => other.path === path && other.message === message) === index,
  );
}
