import { Play, Save, Send } from "lucide-react";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { useMay } from "../../api/use-me.js";
import { PAGE_PATHS, workflowPath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { PageHeader } from "../../components/page-header.js";

/** What is edited, what of it is stored, and the buttons that store it. */
export function EditorHeader({
  workflow,
  isChanged,
  ...actions
}: {
  /** Undefined as long as it has never been saved. */
  readonly workflow: Workflow | undefined;
  readonly isChanged: boolean;
} & SaveActionsProps) {
  return (
    <PageHeader
      title={workflow?.name ?? "New workflow"}
      documentTitle={`${workflow?.name ?? "New workflow"} – editor`}
      crumbs={[
        { label: "Workflows", to: PAGE_PATHS.workflows },
        ...(workflow ? [{ label: workflow.name, to: workflowPath(workflow.name) }] : []),
      ]}
      actions={<SaveActions {...actions} />}
    >
      {workflow && (
        <span>
          {isChanged ? "Changed since" : "Saved as"} version {workflow.latestVersion}
          {describePublished(workflow)}
        </span>
      )}
    </PageHeader>
  );
}

function describePublished({ publishedVersion, latestVersion }: Workflow): string {
  if (publishedVersion === latestVersion) return ", published";
  return publishedVersion === null ? ", a draft" : `, a draft; ${publishedVersion} is published`;
}

interface SaveActionsProps {
  readonly isBusy: boolean;
  onSave(isDraft: boolean): void;
  onRun(): void;
}

function SaveActions({ isBusy, onSave, onRun }: SaveActionsProps) {
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
