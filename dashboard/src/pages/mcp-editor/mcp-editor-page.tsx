import { useQuery } from "@tanstack/react-query";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { PAGE_PATHS } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import { PageHeader } from "../../components/page-header.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { McpEditor } from "./mcp-editor.js";
import { newDraft, nextDraft } from "./mcp-draft.js";
import { nextVersions } from "./next-versions.js";

/** Writes a new component, or the next version of one. */
export function McpEditorPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"];
  return id === undefined ? <NewComponent /> : <NextVersion id={id} />;
}

function NewComponent() {
  const [{ type }] = useUrlState({ type: "python_script" });
  return <McpEditor start={newDraft(type)} definition={undefined} versions={[]} base={undefined} />;
}

function NextVersion({ id }: { readonly id: string }) {
  const [{ from }] = useUrlState({ from: "" });
  const path = `/mcp-definitions/${encodeURIComponent(id)}`;
  const { data, error, refetch } = useQuery({
    queryKey: [...queryKeys.mcp(id), "for-editing"],
    queryFn: async ({ signal }) => {
      const [definition, versions] = await Promise.all([
        apiRequest<McpDefinition>(path, { signal }),
        apiRequest<Page<McpVersion>>(`${path}/versions`, { query: { limit: 200 }, signal }),
      ]);
      return { definition, versions: versions.items };
    },
    // what is being written must not be swept away by what was read anew
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  if (!data) {
    const crumbs = [{ label: "Components", to: PAGE_PATHS.mcps }];
    return (
      <>
        <PageHeader title={id} crumbs={crumbs} />
        {error ? <ErrorPanel error={error} onRetry={() => void refetch()} /> : <Skeleton lines={8} />}
      </>
    );
  }
  const { definition, versions } = data;
  const base =
    versions.find(({ version }) => version === from) ??
    versions.find(({ version }) => version === definition.latestVersion?.version) ??
    versions[0];
  const next = nextVersions(versions.map(({ version }) => version));
  const start = nextDraft(definition, base, next[0]?.version ?? "1.0.0");
  return (
    <McpEditor
      key={definition.id}
      start={start}
      definition={definition}
      versions={versions.map(({ version }) => version)}
      base={base}
    />
  );
}
