import { z } from "zod";
import { findDatabaseFile } from "../database-file.js";
import { plainText } from "../network-fields.js";
import type { ConnectorDefinition } from "../types.js";
import { openDuckdb } from "./duckdb-connector.js";

const configSchema = z.strictObject({
  databaseName: plainText(1_000).meta({ description: "A file inside the data folder." }),
});
export type DuckdbConfig = z.infer<typeof configSchema>;

/** A file of DuckDB as an external database. */
export const duckdbDefinition: ConnectorDefinition<DuckdbConfig> = {
  dbType: "duckdb",
  label: "DuckDB",
  configSchema,
  secretNames: [],
  targetNames: [],
  findFaults({ databaseName }, _secrets, { dataDir }) {
    const found = findDatabaseFile(dataDir, databaseName);
    return "fault" in found ? [{ path: "/databaseName", message: found.fault }] : [];
  },
  open: openDuckdb,
};
