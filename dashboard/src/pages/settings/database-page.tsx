import { useQuery } from "@tanstack/react-query";
import { PlugZap } from "lucide-react";
import { useState } from "react";
import type { ExternalDb } from "../../../../src/contracts/api/external-db-configs.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { useMay } from "../../api/use-me.js";
import { PAGE_PATHS } from "../../app/page-paths.js";
import { Button } from "../../components/button.js";
import { PageHeader } from "../../components/page-header.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import { TestOutcome, useDatabaseTest } from "./database-test.js";
import { whereOf } from "./databases-page.js";
import styles from "./database-page.module.css";
import { QueryPad } from "./query-pad.js";
import { SchemaBrowser } from "./schema-browser.js";

/** One database: what is in it, and a pad to ask it. */
export function DatabasePage({ params }: { readonly params: Readonly<Record<string, string>> }) {
  const id = params["id"] ?? "";
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.database(id),
    queryFn: async ({ signal }) => await apiRequest<ExternalDb>(`/external-db-configs/${id}`, { signal }),
  });
  const { outcome, isBusy, test } = useDatabaseTest(id);
  const mayUse = useMay("connection:use");
  const [sql, setSql] = useState("SELECT 1 AS one");
  return (
    <>
      <PageHeader
        title={data?.name ?? "Database"}
        crumbs={[{ label: "Databases", to: PAGE_PATHS.databases }]}
        beside={outcome && <TestOutcome outcome={outcome} />}
        actions={
          <Button icon={PlugZap} isBusy={isBusy} blockedBecause={mayUse.reason} onClick={() => void test()}>
            Test connection
          </Button>
        }
      >
        {data && (
          <span>
            {data.dbType} · {whereOf(data)}
          </span>
        )}
      </PageHeader>
      {error ? (
        <ErrorPanel error={error} onRetry={() => void refetch()} />
      ) : !data ? (
        <Skeleton lines={6} />
      ) : (
        <div className={styles["page"]}>
          <SchemaBrowser
            id={id}
            mayUse={mayUse}
            onTable={(schema, table) => setSql(`SELECT * FROM ${quote(schema)}.${quote(table)} LIMIT 100`)}
          />
          <QueryPad id={id} sql={sql} onSql={setSql} blockedBecause={mayUse.reason} />
        </div>
      )}
    </>
  );
}

function quote(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
