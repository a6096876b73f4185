import { useQuery, useQueryClient } from "@tanstack/react-query";
import { RefreshCw, Table2 } from "lucide-react";
import { useState } from "react";
import type { ScannedSchema } from "../../../../src/contracts/api/external-db-configs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import type { Allowance } from "../../api/use-me.js";
import { Button } from "../../components/button.js";
import { Input } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { Moment } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { EmptyState, ErrorPanel, Skeleton } from "../../components/states.js";
import styles from "./database-page.module.css";

/** The tables of a database, with their columns. */
export function SchemaBrowser({
  id,
  mayUse,
  onTable,
}: {
  readonly id: string;
  readonly mayUse: Allowance;
  /** A table was chosen, to be asked. */
  onTable(schema: string, table: string): void;
}) {
  const [text, setText] = useState("");
  const client = useQueryClient();
  const { change, isBusy } = useChange();
  const path = `/external-db-configs/${id}/schema`;
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.databaseSchema(id),
    queryFn: async ({ signal }) => await apiRequest<ScannedSchema>(path, { signal }),
    enabled: mayUse.isAllowed,
    staleTime: 5 * 60_000,
    retry: false,
  });
  const rescan = () =>
    void change(
      async () => {
        const fresh = await apiRequest<ScannedSchema>(path, { query: { refresh: true } });
        client.setQueryData(queryKeys.databaseSchema(id), fresh);
      },
      { failed: "Could not read the schema" },
    );
  return (
    <Panel
      title="Schema"
      side={
        <Button
          size="s"
          variant="quiet"
          icon={RefreshCw}
          isBusy={isBusy}
          aria-label="Read the schema again"
          onClick={rescan}
        />
      }
    >
      {!mayUse.isAllowed ? (
        <p className={layout["dim"]}>{mayUse.reason}</p>
      ) : error ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={8} />
      ) : (
        <div className={layout["form"]}>
          <Input
            type="search"
            aria-label="Find a table or column"
            placeholder="Find a table or column"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
          <Tree scanned={data} text={text.trim().toLowerCase()} onTable={onTable} />
          <p className={layout["dim"]}>
            Read <Moment at={data.scannedAt} isRelative />
            {data.truncated && "; there is more than is shown"}
          </p>
        </div>
      )}
    </Panel>
  );
}

function Tree({
  scanned,
  text,
  onTable,
}: {
  readonly scanned: ScannedSchema;
  readonly text: string;
  onTable(schema: string, table: string): void;
}) {
  const schemas = scanned.schemas
    .map((schema) => ({
      ...schema,
      tables: schema.tables.filter(
        ({ name, columns }) =>
          name.toLowerCase().includes(text) ||
          columns.some((column) => column.name.toLowerCase().includes(text)),
      ),
    }))
    .filter(({ tables }) => tables.length > 0);
  if (schemas.length === 0) return <EmptyState icon={Table2} title="No table is called like that" />;
  return (
    <div className={styles["tree"]} tabIndex={0} role="region" aria-label="Tables">
      {schemas.map((schema) => (
        <details key={schema.name} open>
          <summary>
            <strong>{schema.name}</strong> <span className={layout["dim"]}>{schema.tables.length}</span>
          </summary>
          {schema.tables.map((table) => (
            <details key={table.name} open={text !== "" && schema.tables.length < 4}>
              <summary>
                {table.name} <span className={layout["dim"]}>{table.kind === "table" ? "" : table.kind}</span>
              </summary>
              {table.columns.map((column) => (
                <p key={column.name} className={styles["column"]} title={column.references}>
                  <span className={column.primaryKey ? styles["key"] : ""}>{column.name}</span>
                  <code>
                    {column.type}
                    {column.nullable ? "?" : ""}
                  </code>
                </p>
              ))}
              <Button size="s" variant="quiet" onClick={() => onTable(schema.name, table.name)}>
                Query {table.name}
              </Button>
            </details>
          ))}
        </details>
      ))}
    </div>
  );
}
