import { useQueryClient } from "@tanstack/react-query";
import { CirclePause, CirclePlay, Download, Ellipsis, Pencil, Play, SquarePen, Trash2 } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useMay } from "../../api/use-me.js";
import { PAGE_PATHS, workflowPath } from "../../app/page-paths.js";
import { AboutDialog } from "../../components/about-dialog.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import { Menu, MenuItem, MenuLine } from "../../components/menu.js";
import { showToast } from "../../components/toasts.js";

/** What can be done to a workflow. */
export function WorkflowActions({ workflow, onRun }: { readonly workflow: Workflow; onRun(): void }) {
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const mayWrite = useMay("definition:write");
  const mayOperate = useMay("schedule:operate");
  const mayRun = useMay("run:start");
  const [question, setQuestion] = useState<Question>();
  const [isEditing, setEditing] = useState(false);
  const { change } = useChange();
  const { id, name, isPaused, publishedVersion } = workflow;
  const pause = () =>
    void change(
      async () =>
        await apiRequest(`/workflow-definitions/${id}/${isPaused ? "resume" : "pause"}`, { method: "POST" }),
      {
        done: isPaused ? `${name} takes up its runs` : `${name} is paused: new runs are held`,
        failed: isPaused ? "Could not resume" : "Could not pause",
        stale: [queryKeys.allWorkflows],
      },
    );
  return (
    <>
      <Button
        icon={Pencil}
        blockedBecause={mayWrite.reason}
        onClick={() => navigate(`${workflowPath(name)}/edit`)}
      >
        Edit
      </Button>
      <Button
        variant="primary"
        icon={Play}
        blockedBecause={mayRun.reason ?? (publishedVersion === null ? "No version is published." : undefined)}
        onClick={onRun}
      >
        Run
      </Button>
      <Menu button={<Button icon={Ellipsis} aria-label="More actions" />}>
        <MenuItem icon={SquarePen} blockedBecause={mayWrite.reason} onSelect={() => setEditing(true)}>
          Change description and tags
        </MenuItem>
        <MenuItem
          icon={isPaused ? CirclePlay : CirclePause}
          blockedBecause={mayOperate.reason}
          onSelect={pause}
        >
          {isPaused ? "Resume" : "Pause: hold new runs"}
        </MenuItem>
        <MenuItem icon={Download} onSelect={() => download(workflow)}>
          Download the definition
        </MenuItem>
        <MenuLine />
        <MenuItem
          icon={Trash2}
          isDangerous
          blockedBecause={mayWrite.reason}
          onSelect={() =>
            setQuestion({
              title: `Delete ${name}?`,
              text: "Its schedules and webhooks start nothing any more. Its runs stay.",
              verb: "Delete",
              isDangerous: true,
              async act() {
                await apiRequest(`/workflow-definitions/${id}`, { method: "DELETE" });
                await client.invalidateQueries({ queryKey: queryKeys.allWorkflows });
                showToast(`${name} is deleted`);
                navigate(PAGE_PATHS.workflows);
              },
            })
          }
        >
          Delete
        </MenuItem>
      </Menu>
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
      {isEditing && (
        <AboutDialog
          of={workflow}
          path={`/workflow-definitions/${workflow.id}`}
          stale={queryKeys.allWorkflows}
          onClose={() => setEditing(false)}
        />
      )}
    </>
  );
}

function download({ name, definition }: Workflow): void {
  const blob = new Blob([JSON.stringify(definition, null, 2)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}
