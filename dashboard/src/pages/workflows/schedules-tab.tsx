import { CalendarClock, Ellipsis, History, Pause, Pencil, Play, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import type { ScheduleSummary } from "../../../../src/contracts/api/schedules.js";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { runPath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Menu, MenuItem, MenuLine } from "../../components/menu.js";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { BackfillDialog } from "./backfill-dialog.js";
import { NextFirings } from "./next-firings.js";
import { ScheduleDialog } from "./schedule-dialog.js";

type Open = { readonly kind: "edit" | "backfill" | "next"; readonly schedule: ScheduleSummary | undefined };

/** What starts a workflow by time. */
export function SchedulesTab({ workflow }: { readonly workflow: Workflow }) {
  const key = queryKeys.schedules(workflow.id);
  const list = useList<ScheduleSummary>(key, "/schedules", {
    workflow: workflow.id,
  });
  const mayWrite = useMay("schedule:write");
  const [open, setOpen] = useState<Open>();
  const [question, setQuestion] = useState<Question>();
  const close = () => setOpen(undefined);
  const add = (
    <Button
      icon={Plus}
      blockedBecause={mayWrite.reason}
      onClick={() => setOpen({ kind: "edit", schedule: undefined })}
    >
      New schedule
    </Button>
  );
  return (
    <div style={{ paddingTop: 14 }}>
      <Panel title="Schedules" side={add} isFlush>
        <ListTable
          label="Schedules"
          list={list}
          columns={columns(workflow, setOpen, setQuestion)}
          rowKey={({ id }) => id}
          empty={
            <EmptyState icon={CalendarClock} title="Nothing starts it by time" action={add}>
              A schedule starts runs by a cron expression in a time zone, or every so many seconds.
            </EmptyState>
          }
        />
      </Panel>
      {open?.kind === "edit" && (
        <ScheduleDialog workflow={workflow} schedule={open.schedule} onClose={close} />
      )}
      {open?.kind === "backfill" && open.schedule && (
        <BackfillDialog schedule={open.schedule} workflowId={workflow.id} onClose={close} />
      )}
      {open?.kind === "next" && open.schedule && <NextFirings schedule={open.schedule} onClose={close} />}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </div>
  );
}

function columns(
  workflow: Workflow,
  onOpen: (open: Open) => void,
  onAsk: (question: Question) => void,
): Column<ScheduleSummary>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(130px, 1fr)",
      render: (schedule) => (
        <span className={layout["iconic"]}>
          <strong className="cut">{schedule.name}</strong>
          {!schedule.enabled && <Pill tone="wait">Paused</Pill>}
        </span>
      ),
    },
    {
      id: "when",
      header: "When",
      width: "minmax(150px, 1fr)",
      render: ({ cron, everySeconds, timezone }) =>
        cron === null ? (
          `every ${everySeconds} s`
        ) : (
          <span>
            <code>{cron}</code> <span className={layout["dim"]}>{timezone}</span>
          </span>
        ),
    },
    {
      id: "next",
      header: "Next",
      width: "150px",
      render: (schedule) =>
        schedule.nextRunAt ? (
          <Button
            size="s"
            variant="quiet"
            title="The next five"
            onClick={() => onOpen({ kind: "next", schedule })}
          >
            <Moment at={schedule.nextRunAt} />
          </Button>
        ) : (
          <span className={layout["dim"]}>never</span>
        ),
    },
    {
      id: "last",
      header: "Last run",
      width: "130px",
      weight: 2,
      render: ({ lastRunId, lastRunAt }) =>
        lastRunId ? (
          <Link to={runPath(lastRunId)} className={layout["name"]}>
            <Moment at={lastRunAt} />
          </Link>
        ) : (
          <span className={layout["dim"]}>none yet</span>
        ),
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "150px",
      align: "end",
      render: (schedule) => (
        <ScheduleActs schedule={schedule} workflow={workflow} onOpen={onOpen} onAsk={onAsk} />
      ),
    },
  ];
}

function ScheduleActs({
  schedule,
  workflow,
  onOpen,
  onAsk,
}: {
  readonly schedule: ScheduleSummary;
  readonly workflow: Workflow;
  onOpen(open: Open): void;
  onAsk(question: Question): void;
}) {
  const { id, name, enabled } = schedule;
  const mayWrite = useMay("schedule:write");
  const mayOperate = useMay("schedule:operate");
  const { change, isBusy } = useChange();
  const stale = [queryKeys.schedules(workflow.id)];
  const askDelete = useDeletion(...stale);
  const act = (verb: string, done: string) =>
    void change(async () => await apiRequest(`/schedules/${id}/${verb}`, { method: "POST" }), {
      done,
      failed: `Could not ${verb}`,
      stale,
    });
  return (
    <span className={layout["rowActions"]}>
      <Button
        size="s"
        variant="quiet"
        icon={enabled ? Pause : Play}
        isBusy={isBusy}
        blockedBecause={mayOperate.reason}
        aria-label={`${enabled ? "Pause" : "Resume"} ${name}`}
        onClick={() => (enabled ? act("pause", `${name} is paused`) : act("resume", `${name} goes on`))}
      >
        {enabled ? "Pause" : "Resume"}
      </Button>
      <Menu button={<Button size="s" variant="quiet" icon={Ellipsis} aria-label={`More about ${name}`} />}>
        <MenuItem
          icon={Play}
          blockedBecause={mayOperate.reason}
          onSelect={() => act("trigger", `A run of ${name} has started`)}
        >
          Trigger now
        </MenuItem>
        <MenuItem icon={CalendarClock} onSelect={() => onOpen({ kind: "next", schedule })}>
          Next five firings
        </MenuItem>
        <MenuItem
          icon={History}
          blockedBecause={mayWrite.reason}
          onSelect={() => onOpen({ kind: "backfill", schedule })}
        >
          Backfill
        </MenuItem>
        <MenuItem
          icon={Pencil}
          blockedBecause={mayWrite.reason}
          onSelect={() => onOpen({ kind: "edit", schedule })}
        >
          Change
        </MenuItem>
        <MenuLine />
        <MenuItem
          icon={Trash2}
          isDangerous
          blockedBecause={mayWrite.reason}
          onSelect={() =>
            onAsk(
              askDelete({
                path: `/schedules/${id}`,
                name,
                text: "Nothing is due by it any more. Its runs stay.",
              }),
            )
          }
        >
          Delete
        </MenuItem>
      </Menu>
    </span>
  );
}
