import { useQuery } from "@tanstack/react-query";
import type { McpDefinition, McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useList } from "../../api/use-list.js";
import { PAGE_PATHS } from "../../app/page-paths.js";
import { useUrlState } from "../../app/use-url-state.js";
import layout from "../../components/layout.module.css";
import { PageHeader } from "../../components/page-header.js";
import { Pill } from "../../components/pill.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { type Tab, Tabs } from "../../components/tabs.js";
import { Tags } from "../../components/tags.js";
import { LineageTab, UsedBy } from "./lineage-tab.js";
import { McpActions } from "./mcp-actions.js";
import { TypeName } from "./mcps-page.js";
import { TestPanel } from "./test-panel.js";
import { useLineage } from "./use-lineage.js";
import { VersionCompare } from "./version-compare.js";
import { VersionFacts, VersionParts } from "./version-view.js";
import { VersionsTable } from "./versions-table.js";

type TabId = "version" | "versions" | "compare" | "used-by" | "lineage";

/** One component: its versions, what they hold, what uses them, and a way to try them. */
export function McpPage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"] ?? "";
  const definition = useQuery({
    queryKey: queryKeys.mcp(id),
    queryFn: async ({ signal }) =>
      await apiRequest<McpDefinition>(`/mcp-definitions/${encodeURIComponent(id)}`, { signal }),
  });
  const versions = useList<McpVersion>(
    queryKeys.mcpVersions(id),
    `/mcp-definitions/${encodeURIComponent(id)}/versions`,
    { limit: 200 },
  );
  const crumbs = [{ label: "Components", to: PAGE_PATHS.mcps }];
  if (definition.error) {
    return (
      <>
        <PageHeader title={id} crumbs={crumbs} />
        <ErrorPanel error={definition.error} onRetry={() => void definition.refetch()} />
      </>
    );
  }
  if (!definition.data || !versions.items) {
    return (
      <>
        <PageHeader title={id} crumbs={crumbs} />
        {versions.error ? <ErrorPanel error={versions.error} onRetry={versions.retry} /> : <Skeleton />}
      </>
    );
  }
  return <Loaded definition={definition.data} versions={versions.items} crumbs={crumbs} />;
}

function Loaded({
  definition,
  versions,
  crumbs,
}: {
  readonly definition: McpDefinition;
  readonly versions: readonly McpVersion[];
  readonly crumbs: { readonly label: string; readonly to: string }[];
}) {
  const [view, setView] = useUrlState<"tab" | "version" | "with">({ tab: "version", version: "", with: "" });
  const wanted = view.version || (definition.latestVersion?.version ?? versions[0]?.version ?? "");
  const version = versions.find((each) => each.version === wanted) ?? versions[0];
  const lineage = useLineage(version?.id);
  const tabs: Tab<TabId>[] = [
    { id: "version", label: "Version", render: () => (version ? <VersionParts version={version} /> : null) },
    {
      id: "versions",
      label: "Versions",
      count: definition.versionCount,
      render: () => (
        <VersionsTable
          versions={versions}
          shownId={version?.id}
          onShow={(each) => setView({ version: each.version, tab: "version" })}
          onCompare={(each) => setView({ with: each.version, tab: "compare" })}
        />
      ),
    },
    {
      id: "compare",
      label: "Compare",
      render: () =>
        version ? (
          <VersionCompare
            versions={versions}
            version={version}
            against={view.with}
            onChoose={(against, shown) => setView({ with: against, version: shown })}
          />
        ) : null,
    },
    ...(version && lineage.isOffered
      ? ([
          { id: "used-by", label: "Used by", render: () => <UsedBy read={lineage} selfId={version.id} /> },
          {
            id: "lineage",
            label: "Lineage",
            render: () => <LineageTab read={lineage} selfId={version.id} />,
          },
        ] as const)
      : []),
  ];
  const open = (tabs.find(({ id }) => id === view.tab)?.id ?? "version") as TabId;
  return (
    <>
      <PageHeader
        title={definition.name}
        crumbs={crumbs}
        beside={
          version && (
            <>
              <Pill>{version.version}</Pill>
              {version.isDeprecated && <Pill tone="wait">Deprecated</Pill>}
            </>
          )
        }
        actions={<McpActions definition={definition} version={version} />}
      >
        <TypeName mcpType={definition.mcpType} />
        {definition.description && <span>{definition.description}</span>}
        <Tags tags={definition.tags} />
      </PageHeader>
      <div className={open === "version" ? layout["twoThirds"] : layout["stack"]}>
        <Tabs label="Component" tabs={tabs} open={open} onOpen={(tab) => setView({ tab })} />
        {open === "version" && version && (
          <div className={layout["stack"]}>
            <TestPanel key={version.id} version={version} />
            <VersionFacts version={version} />
          </div>
        )}
      </div>
    </>
  );
}
