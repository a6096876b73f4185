import { Play, Plus, Search, Workflow, X } from "lucide-react";
import { useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import type { WorkflowSummary } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { useList, useSettled } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { PAGE_PATHS, workflowPath } from "../../app/page-paths.js";
import { useShortcuts } from "../../app/shortcuts.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Button } from "../../components/button.js";
import type { Column } from "../../components/data-table.js";
import { Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { EmptyState } from "../../components/states.js";
import { Tags } from "../../components/tags.js";
import { RunDialog } from "./run-dialog.js";

/** Every workflow, narrowed by what the URL says. */
export function WorkflowsPage() {
  const [filters, setFilters] = useUrlState({ q: "", tag: "" });
  const q = useSettled(filters.q.trim());
  const query = { q, tag: filters.tag };
  const list = useList<WorkflowSummary>(queryKeys.workflows(query), "/workflow-definitions", query);
  const [, navigate] = useLocation();
  const mayWrite = useMay("definition:write");
  const mayRun = useMay("run:start");
  const [running, setRunning] = useState<string>();
  const search = useRef<HTMLInputElement>(null);
  const create = () => navigate(PAGE_PATHS.createWorkflow);
  useShortcuts({ "/": () => search.current?.focus(), ...(mayWrite.isAllowed ? { n: create } : {}) });
  const isNarrowed = filters.q !== "" || filters.tag !== "";
  const newButton = (
    <Button variant="primary" icon={Plus} blockedBecause={mayWrite.reason} onClick={create}>
      New workflow
    </Button>
  );
  return (
    <>
      <PageHeader title="Workflows" actions={newButton} />
      <div className={layout["filters"]}>
        <div className={layout["grow"]}>
          <Input
            icon={Search}
            ref={search}
            type="search"
            aria-label="Search workflows"
            placeholder="Search by name or description"
            value={filters.q}
            onChange={(event) => setFilters({ q: event.target.value })}
          />
        </div>
        {filters.tag !== "" && (
          <Button icon={X} onClick={() => setFilters({ tag: "" })}>
            Tag: {filters.tag}
          </Button>
        )}
      </div>
      <Panel isFlush>
        <ListTable
          label="Workflows"
          list={list}
          columns={columns((tag) => setFilters({ tag }), setRunning, mayRun.reason)}
          rowKey={({ id }) => id}
          empty={
            <EmptyState
              icon={Workflow}
              title={isNarrowed ? "No workflow fits" : "No workflow yet"}
              action={
                isNarrowed ? (
                  <Button onClick={() => setFilters({ q: "", tag: "" })}>Clear the filters</Button>
                ) : (
                  newButton
                )
              }
            >
              {isNarrowed
                ? "Names and descriptions were searched."
                : "A workflow is a graph of steps, each of which uses a component. Draw one, or write it as YAML."}
            </EmptyState>
          }
        />
      </Panel>
      {running !== undefined && (
        <RunDialog
          workflow={running}
          onClose={() => setRunning(undefined)}
          onStarted={(path) => navigate(path)}
        />
      )}
    </>
  );
}

function columns(
  onTag: (tag: string) => void,
  onRun: (name: string) => void,
  blockedBecause: string | undefined,
): Column<WorkflowSummary>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(190px, 1.4fr)",
      render: ({ name, isPaused }) => (
        <span className={layout["iconic"]}>
          <Link to={workflowPath(name)} className={layout["name"]}>
            {name}
          </Link>
          {isPaused && <Pill tone="wait">Paused</Pill>}
        </span>
      ),
    },
    {
      id: "description",
      header: "Description",
      width: "minmax(160px, 2fr)",
      weight: 3,
      render: ({ description }) => <span className={layout["dim"]}>{description || "–"}</span>,
    },
    {
      id: "tags",
      header: "Tags",
      width: "minmax(90px, 1fr)",
      weight: 2,
      render: ({ tags }) => <Tags tags={tags} onChoose={onTag} />,
    },
    {
      id: "version",
      header: "Version",
      width: "150px",
      render: (workflow) => <VersionWords {...workflow} />,
    },
    {
      id: "changed",
      header: "Changed",
      width: "90px",
      align: "end",
      weight: 2,
      render: ({ updatedAt }) => <Moment at={updatedAt} isRelative />,
    },
    {
      id: "run",
      header: <span className="visually-hidden">Actions</span>,
      width: "80px",
      align: "end",
      render: ({ name, publishedVersion }) => (
        <Button
          size="s"
          variant="quiet"
          icon={Play}
          aria-label={`Run ${name}`}
          blockedBecause={
            blockedBecause ?? (publishedVersion === null ? "No version is published." : undefined)
          }
          onClick={() => onRun(name)}
        >
          Run
        </Button>
      ),
    },
  ];
}

/** Which version runs take, and whether there is a newer one. */
export function VersionWords({
  latestVersion,
  publishedVersion,
}: Pick<WorkflowSummary, "latestVersion" | "publishedVersion">) {
  if (publishedVersion === null) return <Pill tone="wait">Draft {latestVersion}</Pill>;
  return (
    <span className={layout["iconic"]}>
      <span className="number">{publishedVersion}</span>
      {latestVersion > publishedVersion && <Pill tone="wait">Draft {latestVersion}</Pill>}
    </span>
  );
}
