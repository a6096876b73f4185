import type { DbType } from "../../../../src/contracts/api/external-db-configs.js";

/** One setting of a database, as its form asks for it. */
export interface DatabaseField {
  readonly name: "host" | "port" | "databaseName" | "username" | "password" | "projectId" | "dataset";
  readonly label: string;
  readonly hint?: string;
  readonly isRequired?: boolean;
}

const SERVER: readonly DatabaseField[] = [
  { name: "host", label: "Host", isRequired: true },
  { name: "port", label: "Port" },
  { name: "databaseName", label: "Database", isRequired: true },
  { name: "username", label: "User", isRequired: true },
  { name: "password", label: "Password" },
];
const FILE: readonly DatabaseField[] = [
  { name: "databaseName", label: "File", hint: "Inside the server’s data folder.", isRequired: true },
];

/** What each type asks for. */
export const DATABASE_FIELDS: Readonly<Record<DbType, readonly DatabaseField[]>> = {
  postgresql: SERVER,
  mysql: SERVER,
  sqlite: FILE,
  duckdb: FILE,
  bigquery: [
    { name: "projectId", label: "Project", isRequired: true },
    { name: "dataset", label: "Dataset" },
  ],
};

/** How the types are called. */
export const DATABASE_LABELS: Readonly<Record<DbType, string>> = {
  postgresql: "PostgreSQL",
  mysql: "MySQL or MariaDB",
  bigquery: "BigQuery",
  sqlite: "SQLite",
  duckdb: "DuckDB",
};
