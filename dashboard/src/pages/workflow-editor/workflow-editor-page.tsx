import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import type { Workflow, WorkflowVersion } from "../../../../src/contracts/api/workflow-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { PAGE_PATHS } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import { PageHeader } from "../../components/page-header.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";

const WorkflowEditor = lazy(async () => ({
  default: (await import("./workflow-editor.js")).WorkflowEditor,
}));

/** Writes a new workflow, or the next version of one. */
export function WorkflowEditorPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"];
  return (
    <Suspense fallback={<Skeleton lines={8} />}>
      {id === undefined ? <WorkflowEditor workflow={undefined} /> : <Existing id={id} />}
    </Suspense>
  );
}

function Existing({ id }: { readonly id: string }) {
  const [{ version }] = useUrlState({ version: "" });
  const path = `/workflow-definitions/${encodeURIComponent(id)}`;
  const { data, error, refetch } = useQuery({
    queryKey: [...queryKeys.workflow(id), "for-editing", version],
    queryFn: async ({ signal }) => {
      const workflow = await apiRequest<Workflow>(path, { signal });
      if (version === "") return workflow;
      const older = await apiRequest<WorkflowVersion>(`${path}/versions/${version}`, { signal });
      return { ...workflow, definition: older.definition };
    },
    // what is being written must not be swept away by what was read anew
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  if (data) return <WorkflowEditor key={data.id} workflow={data} />;
  return (
    <>
      <PageHeader title={id} crumbs={[{ label: "Workflows", to: PAGE_PATHS.workflows }]} />
      {error ? <ErrorPanel error={error} onRetry={() => void refetch()} /> : <Skeleton lines={8} />}
    </>
  );
}
