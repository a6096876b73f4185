import type { ExternalDb } from "../../contracts/api/external-db-configs.js";
import type { ExternalDbConfigModel } from "../../models/external-db-config-model.js";

/** An external database as the API shows it. */
export function presentExternalDb(row: ExternalDbConfigModel): ExternalDb {
  return {
    id: row.id,
    name: row.name,
    dbType: row.dbType,
    ...row.config,
    hasPassword: row.secretNames.includes("password"),
    hasCredentials: row.secretNames.includes("credentials"),
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
