import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Ban, ChevronDown, CopyPlus, Download, Pin, PinOff, RotateCcw, StepForward } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { runPath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import { Menu, MenuItem, MenuLine } from "../../components/menu.js";
import { showFault, showToast } from "../../components/toasts.js";
import { isOver } from "../../format/status.js";
import { downloadJson } from "./download-json.js";
import { ReplayDialog } from "./replay-dialog.js";

/** What can be done to a run. */
export function RunActions({ run, chosen }: { readonly run: Run; readonly chosen: StepRun | undefined }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const cancel = useMay("run:cancel");
  const start = useMay("run:start");
  const [question, setQuestion] = useState<Question>();
  const [isReplaying, setReplaying] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const hasEnded = isOver(run.status);

  async function rerun(from: string, version?: number): Promise<void> {
    setBusy(true);
    try {
      const next = await apiRequest<Run>(`/workflow-runs/${run.id}/rerun`, {
        method: "POST",
        body: { from, ...(version === undefined ? {} : { version }) },
      });
      showToast("A new run has started");
      navigate(runPath(next.id));
    } catch (error) {
      showFault("Could not rerun", error);
    }
    setBusy(false);
  }

  return (
    <>
      {!hasEnded && (
        <Button
          variant="danger"
          icon={Ban}
          blockedBecause={cancel.reason}
          onClick={() =>
            setQuestion(
              cancelQuestion(run, () => client.invalidateQueries({ queryKey: queryKeys.run(run.id) })),
            )
          }
        >
          Cancel
        </Button>
      )}
      {hasEnded && (
        <Button
          variant={run.status === "failed" ? "primary" : "secondary"}
          icon={RotateCcw}
          isBusy={isBusy}
          blockedBecause={start.reason}
          onClick={() => void rerun(run.status === "succeeded" ? "start" : "failed")}
        >
          {run.status === "succeeded" ? "Rerun" : "Rerun from failed"}
        </Button>
      )}
      <RunMenu
        run={run}
        chosen={chosen}
        onRerun={(from, version) => void rerun(from, version)}
        onReplay={() => setReplaying(true)}
      />
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
      {isReplaying && <ReplayDialog run={run} onClose={() => setReplaying(false)} />}
    </>
  );
}

/** The workflow's published version, when it is not the one that the run took. */
function usePublishedSince({ workflow }: Run, isWanted: boolean): number | undefined {
  const { data } = useQuery({
    queryKey: queryKeys.workflow(workflow.id ?? ""),
    queryFn: async ({ signal }) =>
      await apiRequest<Workflow>(`/workflow-definitions/${workflow.id}`, { signal }),
    enabled: isWanted && workflow.id !== null,
  });
  const published = data?.publishedVersion ?? undefined;
  return published === workflow.version ? undefined : published;
}

function RunMenu({
  run,
  chosen,
  onRerun,
  onReplay,
}: {
  readonly run: Run;
  readonly chosen: StepRun | undefined;
  onRerun(from: string, version?: number): void;
  onReplay(): void;
}) {
  const client = useQueryClient();
  const cancel = useMay("run:cancel");
  const start = useMay("run:start");
  const hasEnded = isOver(run.status);
  const newer = usePublishedSince(run, hasEnded);

  async function pin(): Promise<void> {
    try {
      const change = run.isPinned ? "unpin" : "pin";
      client.setQueryData(
        queryKeys.run(run.id),
        await apiRequest<Run>(`/workflow-runs/${run.id}/${change}`, { method: "POST" }),
      );
      showToast(
        run.isPinned ? "Unpinned" : "Pinned",
        run.isPinned ? undefined : "Retention leaves it alone.",
      );
    } catch (error) {
      showFault("Could not change the pin", error);
    }
  }

  return (
    <Menu
      button={
        <Button icon={ChevronDown} aria-label="More actions">
          More
        </Button>
      }
    >
      {hasEnded && (
        <>
          <MenuItem icon={RotateCcw} blockedBecause={start.reason} onSelect={() => onRerun("start")}>
            Rerun from the start
          </MenuItem>
          {newer !== undefined && run.status !== "succeeded" && (
            <MenuItem
              icon={RotateCcw}
              blockedBecause={start.reason}
              onSelect={() => onRerun("failed", newer)}
            >
              Rerun from failed with version {newer}
            </MenuItem>
          )}
          {chosen && (
            <MenuItem
              icon={StepForward}
              blockedBecause={start.reason}
              onSelect={() => onRerun(chosen.stepId)}
            >
              Rerun from {chosen.stepId}
            </MenuItem>
          )}
          <MenuItem icon={CopyPlus} blockedBecause={start.reason} onSelect={() => onReplay()}>
            Replay with edited input …
          </MenuItem>
          <MenuLine />
        </>
      )}
      <MenuItem icon={run.isPinned ? PinOff : Pin} blockedBecause={cancel.reason} onSelect={() => void pin()}>
        {run.isPinned ? "Unpin" : "Pin, so that retention leaves it"}
      </MenuItem>
      <MenuItem icon={Download} onSelect={() => downloadJson(run, `run-${run.id}.json`)}>
        Download as JSON
      </MenuItem>
    </Menu>
  );
}

function cancelQuestion(run: Run, reread: () => Promise<void>): Question {
  return {
    title: "Cancel this run?",
    text: "Steps that run now are killed with all their processes. What has succeeded is kept, and the run can be rerun from there.",
    verb: "Cancel the run",
    isDangerous: true,
    async act() {
      await apiRequest(`/workflow-runs/${run.id}/cancel`, { method: "POST" });
      await reread();
    },
  };
}
