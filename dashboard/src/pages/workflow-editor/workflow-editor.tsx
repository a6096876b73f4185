import { Play, Save, Send, Workflow as WorkflowIcon } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { useMay } from "../../api/use-me.js";
import { PAGE_PATHS, workflowPath } from "../../app/page-paths.js";
import { useLeaveWarning } from "../../app/use-leave-warning.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Button } from "../../components/button.js";
import { Input } from "../../components/field.js";
import { PageHeader } from "../../components/page-header.js";
import { EmptyState } from "../../components/states.js";
import { RunDialog } from "../workflows/run-dialog.js";
import { Canvas } from "./canvas.js";
import { ConnectDialog } from "./connect-dialog.js";
import {
  addStep,
  connect,
  disconnect,
  freeId,
  type PlacedStep,
  removeSteps,
  stepsOf,
  wouldCircle,
} from "./definition-model.js";
import { EditorBar, type EditorView } from "./editor-bar.js";
import { EditorSide, type SideTab } from "./editor-side.js";
import { textFor } from "./kept-text.js";
import { freePlace } from "./layout-steps.js";
import { Palette } from "./palette.js";
import { useCatalog } from "./use-catalog.js";
import { useEditorKeys } from "./use-editor-keys.js";
import { handPlacesOn, usePlaces } from "./use-places.js";
import { useValidation } from "./use-validation.js";
import { useWorkflowDocument } from "./use-workflow-document.js";
import { useWorkflowSave } from "./use-workflow-save.js";
import styles from "./workflow-editor.module.css";
import { YamlPane } from "./yaml-pane.js";
import { showFault } from "../../components/toasts.js";

const EMPTY = "# Steps run as soon as what they need is there.\nsteps: []\n";

/** The editor: one document in two views. */
export function WorkflowEditor({ workflow: existing }: { readonly workflow: Workflow | undefined }) {
  const start = useState(() => (existing ? textFor(existing) : EMPTY))[0];
  const document = useWorkflowDocument(start);
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
      <PageHeader
        title={workflow?.name ?? "New workflow"}
        documentTitle={`${workflow?.name ?? "New workflow"} – editor`}
        crumbs={[
          { label: "Workflows", to: PAGE_PATHS.workflows },
          ...(workflow ? [{ label: workflow.name, to: workflowPath(workflow.name) }] : []),
        ]}
        actions={
          <SaveActions
            isBusy={saving.isBusy}
            onSave={(isDraft) => void save(isDraft)}
            onRun={() => {
              const isUpToDate =
                workflow && !isChanged && workflow.publishedVersion === workflow.latestVersion;
              if (isUpToDate) setRunning(true);
              else void save(false, true).then((saved) => saved && setRunning(true));
            }}
          />
        }
      >
        {workflow && (
          <span>
            {isChanged ? "Changed since" : "Saved as"} version {workflow.latestVersion}
            {workflow.publishedVersion === workflow.latestVersion
              ? ", published"
              : workflow.publishedVersion === null
                ? ", a draft"
                : `, a draft; ${workflow.publishedVersion} is published`}
          </span>
        )}
      </PageHeader>
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
          <span className={styles["nameField"]}>
            <Input
              aria-label="Name of the workflow"
              aria-invalid={errors.some(({ path }) => path === "/name") || undefined}
              placeholder="Name: daily-report"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </span>
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

function SaveActions({
  isBusy,
  onSave,
  onRun,
}: {
  readonly isBusy: boolean;
  onSave(isDraft: boolean): void;
  onRun(): void;
}) {
  const mayWrite = useMay("definition:write");
  const mayRun = useMay("run:start");
  return (
    <>
      <Button
        icon={Save}
        title="Ctrl S"
        isBusy={isBusy}
        blockedBecause={mayWrite.reason}
        onClick={() => onSave(true)}
      >
        Save draft
      </Button>
      <Button icon={Send} isBusy={isBusy} blockedBecause={mayWrite.reason} onClick={() => onSave(false)}>
        Publish
      </Button>
      <Button
        variant="primary"
        icon={Play}
        isBusy={isBusy}
        blockedBecause={mayRun.reason ?? mayWrite.reason}
        onClick={onRun}
      >
        Publish and run
      </Button>
    </>
  );
}

type Editor = ReturnType<typeof useEditor>;

/** What is selected and where things are drawn: what the views share beside the document. */
function useEditor(document: ReturnType<typeof useWorkflowDocument>, placesKey: string) {
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

function EditorBody({
  document,
  editor,
  validation,
  errors,
  view,
  workflowName,
}: {
  readonly document: ReturnType<typeof useWorkflowDocument>;
  readonly editor: Editor;
  readonly validation: ReturnType<typeof useValidation>;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
  readonly view: EditorView;
  readonly workflowName: string | undefined;
}) {
  const { steps, selected, select, catalog } = editor;
  const [joining, setJoining] = useState<readonly [PlacedStep, PlacedStep]>();
  const find = (key: string) => steps.find((step) => step.key === key);
  const faultCounts = useMemo(() => {
    const counts = new Map<string, number>();
    for (const { path } of errors) {
      const step = steps.find(({ pointer }) => path === pointer || path.startsWith(`${pointer}/`));
      if (step) counts.set(step.key, (counts.get(step.key) ?? 0) + 1);
    }
    return counts;
  }, [errors, steps]);
  const goTo = (path: string) => {
    const step = steps.find(({ pointer }) => path === pointer || path.startsWith(`${pointer}/`));
    if (step) select(new Set([step.key]));
    else editor.openTab("workflow");
  };
  function join(source: string, target: string): void {
    const [from, to] = [find(source), find(target)];
    if (!from || !to) return;
    if (from.list !== to.list) showFault("Not connected", new Error("Both must stand in the same list."));
    else if (wouldCircle(steps, source, target))
      showFault("Not connected", new Error(`${from.id} waits for ${to.id} already: it would be a circle.`));
    else setJoining([from, to]);
  }
  return (
    <div className={styles["editor"]}>
      <Palette catalog={catalog} onAdd={(uses) => editor.add(uses)} />
      <div className={styles["views"]}>
        {view !== "yaml" && (
          <div>
            {steps.length === 0 && (
              <div className={styles["emptyHint"]}>
                <EmptyState icon={WorkflowIcon} title="No step yet">
                  Choose one on the left, or drag it here. Drag from the dot at a step’s right edge to another
                  step to connect them.
                </EmptyState>
              </div>
            )}
            <Canvas
              steps={steps}
              places={editor.places}
              selected={selected}
              faults={faultCounts}
              mcpTypeOf={editor.mcpTypeOf}
              fitKey={editor.fitKey}
              onPlaces={editor.move}
              onSelect={select}
              onConnect={join}
              onDrop={editor.add}
              onDelete={(keys, edges) =>
                document.change((now) => {
                  const left = keys.size > 0 ? removeSteps(now, keys) : now;
                  return edges.reduce((definition, { source, target }) => {
                    const placed = stepsOf(definition);
                    const from = placed.find(({ key }) => key === source);
                    const to = placed.find(({ key }) => key === target);
                    return from && to ? disconnect(definition, from, to) : definition;
                  }, left);
                })
              }
            />
          </div>
        )}
        {view !== "graph" && (
          <div>
            <YamlPane
              document={document}
              validation={validation}
              catalog={catalog}
              onStep={(pointer) => {
                const step = steps.find((each) => each.pointer === pointer);
                if (step && !selected.has(step.key)) select(new Set([step.key]));
              }}
            />
          </div>
        )}
      </div>
      <EditorSide
        {...{ document, catalog, errors, workflowName }}
        warnings={validation.warnings}
        tab={editor.tab}
        onTab={editor.openTab}
        placed={selected.size === 1 ? find([...selected][0] ?? "") : undefined}
        onRenamed={(id) => select(new Set([id]))}
        onGo={goTo}
      />
      {joining && (
        <ConnectDialog
          source={joining[0]}
          target={joining[1]}
          catalog={catalog}
          onClose={() => setJoining(undefined)}
          onConnect={(mapping) => {
            document.change((now) => connect(now, joining[0], joining[1], mapping));
            setJoining(undefined);
          }}
        />
      )}
    </div>
  );
}

function unique(faults: readonly { readonly path: string; readonly message: string }[]) {
  return faults.filter(
    ({ path, message }, index) =>
      faults.findIndex((other) => other.path === path && other.message === message) === index,
  );
}
