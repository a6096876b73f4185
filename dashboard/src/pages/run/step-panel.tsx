import { X } from "lucide-react";
import type { Run, RunGraph, StepRun } from "../../../../src/contracts/api/runs.js";
import { Button } from "../../components/button.js";
import { StatusBadge } from "../../components/status-badge.js";
import { type Tab, Tabs } from "../../components/tabs.js";
import { ArtifactList } from "./artifact-list.js";
import { NotebookView } from "./notebook-view.js";
import type { RunFeed } from "./run-feed.js";
import { RunLog } from "./run-log.js";
import { StepOverview } from "./step-overview.js";
import styles from "./step-panel.module.css";
import { TranscriptView } from "./transcript-view.js";
import { ValueBlock } from "./value-block.js";

/** The views of a step. */
export const STEP_TABS = ["overview", "logs", "data", "files", "notebook", "transcript"] as const;
/** See {@link STEP_TABS}. */
export type StepTab = (typeof STEP_TABS)[number];

interface StepView {
  readonly run: Run;
  readonly step: StepRun;
  readonly node: RunGraph["nodes"][number] | undefined;
  readonly feed: RunFeed;
}

/** One step in full. */
export function StepPanel({
  run,
  step,
  node,
  feed,
  tab,
  onTab,
  onClose,
}: StepView & {
  readonly tab: StepTab;
  onTab(tab: StepTab): void;
  onClose(): void;
}) {
  const tabs = stepTabs({ run, step, node, feed });
  const open = tabs.some(({ id }) => id === tab) ? tab : "overview";
  const name = step.itemIndex === undefined ? step.stepId : `${step.stepId} [${step.itemIndex}]`;
  return (
    <section className={styles["panel"]} aria-label={`Step ${name}`}>
      <header className={styles["head"]}>
        <h2 title={name}>{name}</h2>
        <StatusBadge status={step.status} />
        <Button size="s" variant="quiet" icon={X} aria-label="Close the step" onClick={onClose} />
      </header>
      <div className={styles["tabs"]}>
        <Tabs label={`Views of ${name}`} tabs={tabs} open={open} onOpen={onTab} />
      </div>
    </section>
  );
}

function stepTabs({ run, step, node, feed }: StepView): Tab<StepTab>[] {
  const mcpType = node?.data["mcpType"];
  const tabs: Tab<StepTab>[] = [
    {
      id: "overview",
      label: "Overview",
      render: () => (
        <div className={styles["scroll"]}>
          <StepOverview run={run} step={step} node={node} />
        </div>
      ),
    },
    { id: "logs", label: "Logs", render: () => <RunLog feed={feed} run={run} step={step} /> },
    {
      id: "data",
      label: "Data",
      render: () => (
        <div className={`${styles["scroll"]} ${styles["blocks"]}`}>
          <ValueBlock title="Inputs" value={step.inputs} isOmitted={step.isOmitted ?? false} />
          <ValueBlock
            title="Output"
            value={step.output}
            artifact={step.outputArtifact}
            isOmitted={step.isOmitted ?? false}
          />
        </div>
      ),
    },
  ];
  if (step.artifacts.length > 0) {
    tabs.push({
      id: "files",
      label: "Files",
      count: step.artifacts.length,
      render: () => (
        <div className={styles["scroll"]}>
          <ArtifactList artifacts={step.artifacts} />
        </div>
      ),
    });
  }
  if (mcpType === "jupyter_notebook") {
    tabs.push({
      id: "notebook",
      label: "Notebook",
      render: () => (
        <div className={styles["scroll"]}>
          <NotebookView step={step} feed={feed} />
        </div>
      ),
    });
  }
  if (mcpType === "llm_prompt") {
    tabs.push({
      id: "transcript",
      label: "Transcript",
      render: () => (
        <div className={styles["scroll"]}>
          <TranscriptView step={step} feed={feed} />
        </div>
      ),
    });
  }
  return tabs;
}
