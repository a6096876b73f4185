import { Blocks, Plus, Search, X } from "lucide-react";
import { useRef } from "react";
import { Link, useLocation } from "wouter";
import type { McpDefinition } from "../../../../src/contracts/api/mcp-definitions.js";
import { queryKeys } from "../../api/query-keys.js";
import { useList, useSettled } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { mcpPath, PAGE_PATHS } from "../../app/page-paths.js";
import { useShortcuts } from "../../app/shortcuts.js";
import { useUrlState } from "../../app/use-url-state.js";
import { Button } from "../../components/button.js";
import type { Column } from "../../components/data-table.js";
import { Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { EmptyState } from "../../components/states.js";
import { Tags } from "../../components/tags.js";
import { COMPONENT_TYPES, componentLook } from "../../format/component-types.js";

/** Every component, narrowed by what the URL says. */
export function McpsPage() {
  const [filters, setFilters] = useUrlState({ q: "", type: "", tag: "" });
  const q = useSettled(filters.q.trim());
  const query = { q, type: filters.type, tag: filters.tag };
  const list = useList<McpDefinition>(queryKeys.mcps(query), "/mcp-definitions", query);
  const [, navigate] = useLocation();
  const mayWrite = useMay("definition:write");
  const search = useRef<HTMLInputElement>(null);
  const create = () => navigate(PAGE_PATHS.createMcp);
  useShortcuts({ "/": () => search.current?.focus(), ...(mayWrite.isAllowed ? { n: create } : {}) });
  const isNarrowed = filters.q !== "" || filters.type !== "" || filters.tag !== "";
  const newButton = (
    <Button variant="primary" icon={Plus} blockedBecause={mayWrite.reason} onClick={create}>
      New component
    </Button>
  );
  return (
    <>
      <PageHeader title="Components" actions={newButton} />
      <div className={layout["filters"]}>
        <div className={layout["grow"]}>
          <Input
            icon={Search}
            ref={search}
            type="search"
            aria-label="Search components"
            placeholder="Search by name or description"
            value={filters.q}
            onChange={(event) => setFilters({ q: event.target.value })}
          />
        </div>
        <Select
          aria-label="Type"
          value={filters.type}
          onChange={(event) => setFilters({ type: event.target.value })}
          options={[
            { value: "", label: "All types" },
            ...COMPONENT_TYPES.map((type) => ({ value: type, label: componentLook(type).label })),
          ]}
        />
        {filters.tag !== "" && (
          <Button icon={X} onClick={() => setFilters({ tag: "" })}>
            Tag: {filters.tag}
          </Button>
        )}
      </div>
      <Panel isFlush>
        <ListTable
          label="Components"
          list={list}
          columns={columns((tag) => setFilters({ tag }))}
          rowKey={({ id }) => id}
          empty={
            <NoComponents
              isNarrowed={isNarrowed}
              onClear={() => setFilters({ q: "", type: "", tag: "" })}
              create={newButton}
            />
          }
        />
      </Panel>
    </>
  );
}

function columns(onTag: (tag: string) => void): Column<McpDefinition>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(180px, 1.4fr)",
      render: ({ name }) => (
        <Link to={mcpPath(name)} className={layout["name"]}>
          {name}
        </Link>
      ),
    },
    {
      id: "type",
      header: "Type",
      width: "170px",
      render: ({ mcpType }) => <TypeName mcpType={mcpType} />,
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
      header: "Newest",
      width: "96px",
      render: ({ latestVersion, versionCount }) => (
        <span className={layout["mono"]} title={`${versionCount} versions`}>
          {latestVersion?.version ?? "none"}
        </span>
      ),
    },
    {
      id: "changed",
      header: "Changed",
      width: "96px",
      align: "end",
      weight: 2,
      render: ({ updatedAt }) => <Moment at={updatedAt} isRelative />,
    },
  ];
}

/** A component type with its icon. */
export function TypeName({ mcpType }: { readonly mcpType: string }) {
  const { icon: Icon, label } = componentLook(mcpType);
  return (
    <span className={layout["iconic"]}>
      <Icon size={15} aria-hidden />
      <span className="cut" title={label}>
        {label}
      </span>
    </span>
  );
}

function NoComponents({
  isNarrowed,
  onClear,
  create,
}: {
  readonly isNarrowed: boolean;
  onClear(): void;
  readonly create: React.ReactNode;
}) {
  return isNarrowed ? (
    <EmptyState
      icon={Blocks}
      title="No component fits"
      action={<Button onClick={onClear}>Clear the filters</Button>}
    >
      Names and descriptions were searched.
    </EmptyState>
  ) : (
    <EmptyState icon={Blocks} title="No component yet" action={create}>
      A component is a script, a notebook, a prompt, an app or a Model Context Protocol package, in versions
      that never change. Workflows are made of them.
    </EmptyState>
  );
}
