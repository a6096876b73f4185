import { Database, Pencil, PlugZap, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { ExternalDb } from "../../../../src/contracts/api/external-db-configs.js";
import { queryKeys } from "../../api/query-keys.js";
import { useList } from "../../api/use-list.js";
import { useMay } from "../../api/use-me.js";
import { databasePath } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { Confirm, type Question } from "../../components/confirm.js";
import type { Column } from "../../components/data-table.js";
import layout from "../../components/layout.module.css";
import { ListTable } from "../../components/list-table.js";
import { Moment } from "../../components/moment.js";
import { PageHeader } from "../../components/page-header.js";
import { Panel } from "../../components/panel.js";
import { EmptyState } from "../../components/states.js";
import { useDeletion } from "../../components/use-deletion.js";
import { DatabaseDialog } from "./database-dialog.js";
import { TestOutcome, useDatabaseTest } from "./database-test.js";

/** External databases that components and steps may reach. */
export function DatabasesPage() {
  const list = useList<ExternalDb>(queryKeys.databases, "/external-db-configs");
  const mayWrite = useMay("connection:write");
  const [editing, setEditing] = useState<ExternalDb | "new">();
  const [question, setQuestion] = useState<Question>();
  const [, navigate] = useLocation();
  const add = (
    <Button variant="primary" icon={Plus} blockedBecause={mayWrite.reason} onClick={() => setEditing("new")}>
      New database
    </Button>
  );
  const askDelete = useDeletion(queryKeys.databases);
  const remove = ({ id, name }: ExternalDb): Question =>
    askDelete({
      path: `/external-db-configs/${id}`,
      name,
      text: "The database itself stays as it is. Steps and components that name it fail.",
    });
  return (
    <>
      <PageHeader title="Databases" actions={add} />
      <Panel isFlush>
        <ListTable
          label="Databases"
          list={list}
          columns={columns(setEditing, (database) => setQuestion(remove(database)))}
          rowKey={({ id }) => id}
          empty={
            <EmptyState icon={Database} title="No database yet" action={add}>
              Connect PostgreSQL, MySQL, BigQuery, SQLite or DuckDB: steps query it, scripts get a connection.
            </EmptyState>
          }
        />
      </Panel>
      {editing !== undefined && (
        <DatabaseDialog
          database={editing === "new" ? undefined : editing}
          onClose={() => setEditing(undefined)}
          onSaved={(saved) => {
            setEditing(undefined);
            if (editing === "new") navigate(databasePath(saved.id));
          }}
        />
      )}
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </>
  );
}

function columns(
  onEdit: (database: ExternalDb) => void,
  onRemove: (database: ExternalDb) => void,
): Column<ExternalDb>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(140px, 1fr)",
      render: ({ id, name }) => (
        <Link to={databasePath(id)} className={layout["name"]}>
          {name}
        </Link>
      ),
    },
    { id: "type", header: "Type", width: "100px", render: ({ dbType }) => dbType },
    {
      id: "where",
      header: "Where",
      width: "minmax(140px, 1.2fr)",
      weight: 2,
      render: (database) => <span className={layout["dim"]}>{whereOf(database)}</span>,
    },
    {
      id: "changed",
      header: "Changed",
      width: "100px",
      weight: 3,
      render: ({ updatedAt }) => <Moment at={updatedAt} isRelative />,
    },
    {
      id: "acts",
      header: <span className="visually-hidden">Actions</span>,
      width: "310px",
      align: "end",
      render: (database) => <RowActs database={database} onEdit={onEdit} onRemove={onRemove} />,
    },
  ];
}

function RowActs({
  database,
  onEdit,
  onRemove,
}: {
  readonly database: ExternalDb;
  onEdit(database: ExternalDb): void;
  onRemove(database: ExternalDb): void;
}) {
  const mayUse = useMay("connection:use");
  const mayWrite = useMay("connection:write");
  const { outcome, isBusy, test } = useDatabaseTest(database.id);
  return (
    <span className={layout["rowActions"]}>
      {outcome && <TestOutcome outcome={outcome} />}
      <Button
        size="s"
        variant="quiet"
        icon={PlugZap}
        isBusy={isBusy}
        blockedBecause={mayUse.reason}
        aria-label={`Test ${database.name}`}
        onClick={() => void test()}
      >
        Test
      </Button>
      <Button
        size="s"
        variant="quiet"
        icon={Pencil}
        blockedBecause={mayWrite.reason}
        aria-label={`Change ${database.name}`}
        onClick={() => onEdit(database)}
      />
      <Button
        size="s"
        variant="quiet"
        icon={Trash2}
        blockedBecause={mayWrite.reason}
        aria-label={`Delete ${database.name}`}
        onClick={() => onRemove(database)}
      />
    </span>
  );
}

/** Where a database is, in a line. */
export function whereOf({ host, port, databaseName, projectId, dataset }: ExternalDb): string {
  if (projectId) return [projectId, dataset].filter(Boolean).join(".");
  const server = host ? `${host}${port ? `:${port}` : ""}` : "";
  return [server, databaseName].filter(Boolean).join(" / ");
}
