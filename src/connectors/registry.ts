import type { DbType } from "../contracts/api/external-db-configs.js";
import { bigqueryDefinition } from "./bigquery/definition.js";
import { duckdbDefinition } from "./duckdb/definition.js";
import { mysqlDefinition } from "./mysql/definition.js";
import { postgresqlDefinition } from "./postgresql/definition.js";
import { sqliteDefinition } from "./sqlite/definition.js";
import type { ConnectorDefinition } from "./types.js";

/** Every type of external database, one line each. What else must know the types derives it from here. */
const DEFINITIONS = [
  postgresqlDefinition,
  bigqueryDefinition,
  mysqlDefinition,
  sqliteDefinition,
  duckdbDefinition,
] as unknown as readonly ConnectorDefinition[];

/** The definition of a type. */
export function findConnector(dbType: DbType): ConnectorDefinition {
  const found = DEFINITIONS.find((definition) => definition.dbType === dbType);
  if (!found) throw new Error(`No connector for ${dbType}`);
  return found;
}
