import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { PAGE_PATHS, runsPath } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import { PageHeader } from "../../components/page-header.js";
import { Pill } from "../../components/pill.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { Tabs } from "../../components/tabs.js";
import { Tags } from "../../components/tags.js";
import { RunDialog } from "./run-dialog.js";
import { SchedulesTab } from "./schedules-tab.js";
import { WebhooksTab } from "./webhooks-tab.js";
import { WorkflowActions } from "./workflow-actions.js";
import { WorkflowVersions } from "./workflow-versions.js";

const DefinitionView = lazy(async () => ({ default: (await import("./definition-view.js")).DefinitionView }));

const TABS = ["definition", "versions", "schedules", "webhooks"] as const;
type TabId = (typeof TABS)[number];

/** One workflow: what it does, its versions, and what starts it. */
export function WorkflowPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"] ?? "";
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.workflow(id),
    queryFn: async ({ signal }) =>
      await apiRequest<Workflow>(`/workflow-definitions/${encodeURIComponent(id)}`, { signal }),
  });
  const crumbs = [{ label: "Workflows", to: PAGE_PATHS.workflows }];
  if (!data) {
    return (
      <>
        <PageHeader title={id} crumbs={crumbs} />
        {error ? <ErrorPanel error={error} onRetry={() => void refetch()} /> : <Skeleton lines={8} />}
      </>
    );
  }
  return <Loaded workflow={data} crumbs={crumbs} />;
}

function Loaded({
  workflow,
  crumbs,
}: {
  readonly workflow: Workflow;
  readonly crumbs: { readonly label: string; readonly to: string }[];
}) {
  const [{ tab, run }, setView] = useUrlState({ tab: "definition", run: "" });
  const [isRunning, setRunning] = useState(run !== "");
  const [, navigate] = useLocation();
  const open = TABS.find((each) => each === tab) ?? "definition";
  return (
    <>
      <PageHeader
        title={workflow.name}
        crumbs={crumbs}
        beside={
          <>
            {workflow.publishedVersion !== null && <Pill>Version {workflow.publishedVersion}</Pill>}
            {workflow.publishedVersion !== workflow.latestVersion && (
              <Pill tone="wait">Draft {workflow.latestVersion}</Pill>
            )}
            {workflow.isPaused && <Pill tone="wait">Paused</Pill>}
          </>
        }
        actions={<WorkflowActions workflow={workflow} onRun={() => setRunning(true)} />}
      >
        {workflow.description && <span>{workflow.description}</span>}
        <Tags tags={workflow.tags} />
        <Link to={runsPath({ workflow: workflow.name })}>Its runs</Link>
      </PageHeader>
      <Tabs<TabId>
        label="Workflow"
        open={open}
        onOpen={(next) => setView({ tab: next })}
        tabs={[
          {
            id: "definition",
            label: "Definition",
            render: () => (
              <Suspense fallback={<Skeleton lines={6} />}>
                <DefinitionView definition={workflow.definition} placesKey={workflow.id} />
              </Suspense>
            ),
          },
          {
            id: "versions",
            label: "Versions",
            count: workflow.latestVersion,
            render: () => <WorkflowVersions workflow={workflow} />,
          },
          { id: "schedules", label: "Schedules", render: () => <SchedulesTab workflow={workflow} /> },
          { id: "webhooks", label: "Webhooks", render: () => <WebhooksTab workflow={workflow} /> },
        ]}
      />
      {isRunning && (
        <RunDialog
          workflow={workflow.name}
          onClose={() => {
            setRunning(false);
            setView({ run: undefined });
          }}
          onStarted={(path) => navigate(path)}
        />
      )}
    </>
  );
}
