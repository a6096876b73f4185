import { useQueries } from "@tanstack/react-query";
import { GitCompare, Pencil, Send } from "lucide-react";
import { lazy, Suspense } from "react";
import { useLocation } from "wouter";
import type { Workflow, WorkflowVersion } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { workflowPath } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Button } from "../../components/button.js";
import { type Column, DataTable } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { Pill } from "../../components/pill.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";

const VersionDiff = lazy(async () => ({ default: (await import("./version-diff.js")).VersionDiff }));

const ABOUT: readonly Column<WorkflowVersion>[] = [
  {
    id: "version",
    header: "Version",
    width: "170px",
    render: ({ version, isPublished, publishedAt }) => (
      <span className={layout["line"]}>
        <strong className="number">{version}</strong>
        {isPublished ? <Pill tone="good">Published</Pill> : !publishedAt && <Pill tone="wait">Draft</Pill>}
      </span>
    ),
  },
  {
    id: "made",
    header: "Made",
    width: "minmax(120px, 1fr)",
    render: ({ createdAt }) => <Moment at={createdAt} />,
  },
];

/** Every version, what has changed between two, and the way back to an older one. */
export function WorkflowVersions({ workflow }: { readonly workflow: Workflow }) {
  const path = `/workflow-definitions/${workflow.id}`;
  const { items, error, retry, more } = useList<WorkflowVersion>(
    queryKeys.workflowVersions(workflow.id),
    `${path}/versions`,
  );
  const [{ from, to }, setView] = useUrlState({ from: "", to: "" });
  const [, navigate] = useLocation();
  const mayWrite = useMay("definition:write");
  const { change, isBusy } = useChange();
  if (error && !items) return <ErrorPanel error={error} onRetry={retry} />;
  if (!items) return <Skeleton lines={5} />;
  const publish = (version: number) =>
    void change(async () => await apiRequest(`${path}/versions/${version}/publish`, { method: "POST" }), {
      done: `Runs take version ${version} now`,
      failed: "Could not publish",
      stale: [queryKeys.allWorkflows],
    });
  const columns: Column<WorkflowVersion>[] = [
    ...ABOUT,
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "330px",
      align: "end",
      render: ({ version, isPublished }) => (
        <span className={layout["rowActions"]}>
          {version > 1 && (
            <Button
              size="s"
              variant="quiet"
              icon={GitCompare}
              aria-label={`Compare ${version} with ${version - 1}`}
              onClick={() => setView({ from: String(version - 1), to: String(version) })}
            >
              What changed
            </Button>
          )}
          <Button
            size="s"
            variant="quiet"
            icon={Pencil}
            blockedBecause={mayWrite.reason}
            onClick={() => navigate(`${workflowPath(workflow.name)}/edit?version=${version}`)}
          >
            Edit from here
          </Button>
          {!isPublished && (
            <Button
              size="s"
              variant="quiet"
              icon={Send}
              isBusy={isBusy}
              blockedBecause={mayWrite.reason}
              onClick={() => publish(version)}
            >
              Publish
            </Button>
          )}
        </span>
      ),
    },
  ];
  return (
    <div className={layout["stack"]} style={{ paddingTop: 14 }}>
      <Panel isFlush>
        <DataTable
          label="Versions"
          rows={items}
          columns={columns}
          rowKey={({ id }) => id}
          isMarked={({ version }) => String(version) === to || String(version) === from}
          more={more}
        />
      </Panel>
      {from !== "" && to !== "" && <Compared path={path} workflowId={workflow.id} from={from} to={to} />}
    </div>
  );
}

function Compared({
  path,
  workflowId,
  from,
  to,
}: {
  readonly path: string;
  readonly workflowId: string;
  readonly from: string;
  readonly to: string;
}) {
  const [before, after] = useQueries({
    queries: [from, to].map((version) => ({
      queryKey: [...queryKeys.workflowVersions(workflowId), version],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        await apiRequest<WorkflowVersion>(`${path}/versions/${version}`, { signal }),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  });
  const error = before?.error ?? after?.error;
  if (error) return <ErrorPanel error={error} />;
  if (!before?.data || !after?.data) return <Skeleton lines={5} />;
  return (
    <Panel title={`From ${from} to ${to}`}>
      <Suspense fallback={<Skeleton lines={5} />}>
        <VersionDiff
          label={`From ${from} to ${to}`}
          before={before.data.definition}
          after={after.data.definition}
        />
      </Suspense>
    </Panel>
  );
}
