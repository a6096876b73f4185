import { MousePointerClick } from "lucide-react";
import type { Fault } from "../../api/problem.js";
import { EmptyState } from "../../components/states.js";
import { Tabs } from "../../components/tabs.js";
import type { PlacedStep } from "./definition-model.js";
import { FaultsPanel } from "./faults-panel.js";
import { StepPanel } from "./step-panel.js";
import type { Catalog } from "./use-catalog.js";
import type { WorkflowDocument } from "./use-workflow-document.js";
import { WorkflowCopilot } from "./workflow-copilot.js";
import styles from "./workflow-editor.module.css";
import { WorkflowPanel } from "./workflow-panel.js";

/** The parts of the side of the editor. */
export type SideTab = "step" | "workflow" | "faults" | "copilot";

/** What is selected, in full; the workflow as a whole; what is wrong; advice. */
export function EditorSide({
  document,
  catalog,
  errors,
  warnings,
  tab,
  onTab,
  placed,
  onRenamed,
  onGo,
  workflowName,
}: {
  readonly document: WorkflowDocument;
  readonly catalog: Catalog;
  readonly errors: readonly Fault[];
  readonly warnings: readonly Fault[];
  readonly tab: SideTab;
  onTab(tab: SideTab): void;
  readonly placed: PlacedStep | undefined;
  onRenamed(id: string): void;
  onGo(path: string): void;
  readonly workflowName: string | undefined;
}) {
  const definition = document.shown;
  const body = (content: React.ReactNode) => <div className={styles["sideBody"]}>{content}</div>;
  return (
    <aside className={styles["side"]} aria-label="Details">
      <Tabs
        label="Details"
        open={tab}
        onOpen={onTab}
        tabs={[
          {
            id: "step" as const,
            label: "Step",
            render: () =>
              body(
                placed ? (
                  <StepPanel
                    key={placed.pointer}
                    placed={placed}
                    definition={definition}
                    catalog={catalog}
                    faults={errors}
                    change={document.change}
                    onRenamed={onRenamed}
                  />
                ) : (
                  <EmptyState icon={MousePointerClick} title="No step is selected">
                    Click one in the graph, or put the caret into it in the YAML.
                  </EmptyState>
                ),
              ),
          },
          {
            id: "workflow" as const,
            label: "Workflow",
            render: () =>
              body(
                <WorkflowPanel
                  definition={definition}
                  catalog={catalog}
                  faults={errors}
                  change={document.change}
                />,
              ),
          },
          {
            id: "faults" as const,
            label: "Faults",
            count: errors.length + warnings.length || undefined,
            render: () => body(<FaultsPanel errors={errors} warnings={warnings} onGo={onGo} />),
          },
          {
            id: "copilot" as const,
            label: "Copilot",
            render: () => body(<WorkflowCopilot document={document} workflow={workflowName} />),
          },
        ]}
      />
    </aside>
  );
}
