import { GitCompare } from "lucide-react";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { Button } from "../../components/button.js";
import { type Column, DataTable } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { Pill } from "../../components/pill.js";

/** Every version, newest first. */
export function VersionsTable({
  versions,
  shownId,
  onShow,
  onCompare,
}: {
  readonly versions: readonly McpVersion[];
  readonly shownId: string | undefined;
  onShow(version: McpVersion): void;
  onCompare(version: McpVersion): void;
}) {
  const columns: Column<McpVersion>[] = [
    {
      id: "version",
      header: "Version",
      width: "150px",
      render: (version) => (
        <span className={layout["line"]}>
          <Button variant="quiet" size="s" onClick={() => onShow(version)}>
            {version.version}
          </Button>
          {version.isDeprecated && <Pill tone="wait">Deprecated</Pill>}
        </span>
      ),
    },
    {
      id: "notes",
      header: "Notes",
      width: "minmax(120px, 1fr)",
      render: ({ description }) => description || <span className={layout["dim"]}>–</span>,
    },
    { id: "made", header: "Made", width: "130px", render: ({ createdAt }) => <Moment at={createdAt} /> },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "230px",
      align: "end",
      render: (version) =>
        version.id === shownId ? null : (
          <Button variant="quiet" size="s" icon={GitCompare} onClick={() => onCompare(version)}>
            Compare with the shown one
          </Button>
        ),
    },
  ];
  return (
    <DataTable
      label="Versions"
      rows={versions}
      columns={columns}
      rowKey={({ id }) => id}
      isMarked={({ id }) => id === shownId}
    />
  );
}
